package sshtest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
)

// Backend is a TCP server on loopback that remembers who came.
type Backend struct {
	Addr string

	listener net.Listener
	handle   func(net.Conn)
	handlers sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	peers  []string
	closed bool
}

// Script answers each connection with handle, which need not close it. When
// the test ends every connection is closed, and handle must return then.
func Script(t testing.TB, handle func(net.Conn)) *Backend {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &Backend{Addr: listener.Addr().String(), listener: listener, handle: handle, conns: map[net.Conn]bool{}}
	b.handlers.Add(1)
	go b.accept()
	t.Cleanup(b.close)
	return b
}

// Echo sends back what it gets, and EOF after EOF.
func Echo(t testing.TB) *Backend {
	t.Helper()
	return Script(t, func(c net.Conn) { io.Copy(c, c) })
}

// Sink reads until EOF and only then answers, with Digest of what it read: the
// answer is lost where EOF in one direction ends both.
func Sink(t testing.TB) *Backend {
	t.Helper()
	return Script(t, func(c net.Conn) { io.WriteString(c, Digest(c)) })
}

// Source sends the n bytes of Pattern(n), then EOF.
func Source(t testing.TB, n int64) *Backend {
	t.Helper()
	return Script(t, func(c net.Conn) { io.Copy(c, Pattern(n)) })
}

// Peers returns the address of each client so far, as the backend saw it,
// oldest first.
func (b *Backend) Peers() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.peers)
}

// Active returns the number of open connections.
func (b *Backend) Active() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.conns)
}

// Pattern returns n bytes that are the same every time and hold no short cycle.
func Pattern(n int64) io.Reader { return io.LimitReader(&pattern{state: 1}, n) }

// Digest reads r to its end and returns "N bytes, sha256 SUM".
func Digest(r io.Reader) string {
	sum := sha256.New()
	n, _ := io.Copy(sum, r)
	return fmt.Sprintf("%d bytes, sha256 %x", n, sum.Sum(nil))
}

// Silent is a Script that accepts and says nothing.
func Silent(c net.Conn) { io.Copy(io.Discard, c) }

// Slam is a Script that closes at once.
func Slam(c net.Conn) { c.Close() }

// Saying returns a Script that sends text and then only listens. A server that
// is no SSH server, or is too busy, begins like that.
func Saying(text string) func(net.Conn) {
	return func(c net.Conn) {
		io.WriteString(c, text)
		Silent(c)
	}
}

// HangUpInKex is a Script that closes after the first packet of the client's
// key exchange.
func HangUpInKex(c net.Conn) {
	io.WriteString(c, "SSH-2.0-HangUp\r\n")
	// The version line is at most 255 bytes (RFC 4253 section 4.2), a KEXINIT
	// always more.
	io.CopyN(io.Discard, c, 256)
}

func (b *Backend) accept() {
	defer b.handlers.Done()
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.mu.Lock()
		b.conns[conn] = true
		b.peers = append(b.peers, conn.RemoteAddr().String())
		if b.closed {
			conn.Close()
		}
		b.mu.Unlock()
		b.handlers.Add(1)
		go b.serve(conn)
	}
}

func (b *Backend) serve(conn net.Conn) {
	defer b.handlers.Done()
	b.handle(conn)
	conn.Close()
	b.mu.Lock()
	delete(b.conns, conn)
	b.mu.Unlock()
}

func (b *Backend) close() {
	b.listener.Close()
	b.mu.Lock()
	b.closed = true
	for conn := range b.conns {
		conn.Close()
	}
	b.mu.Unlock()
	b.handlers.Wait()
}

// pattern is xorshift64 (Marsaglia 2003), eight bytes at a time.
type pattern struct {
	state uint64
	rest  []byte // of the last eight
}

func (p *pattern) Read(buf []byte) (int, error) {
	n := copy(buf, p.rest)
	p.rest = p.rest[n:]
	for ; len(buf)-n >= 8; n += 8 {
		binary.LittleEndian.PutUint64(buf[n:], p.next())
	}
	if n < len(buf) {
		eight := binary.LittleEndian.AppendUint64(nil, p.next())
		p.rest = eight[copy(buf[n:], eight):]
	}
	return len(buf), nil
}

func (p *pattern) next() uint64 {
	p.state ^= p.state << 13
	p.state ^= p.state >> 7
	p.state ^= p.state << 17
	return p.state
}
