package forward_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"tunneld/fault"
)

const mebi = 1 << 20

// A reply that begins after the request has ended arrives whole, both ways round.
func TestSpliceHalfClose(t *testing.T) {
	for _, asker := range []string{"client", "server"} {
		t.Run(asker, func(t *testing.T) {
			s := spliceTCP(t, t.Context())
			from, to := s.client, s.server
			if asker == "server" {
				from, to = to, from
			}
			io.WriteString(from, "request")
			from.CloseWrite()
			if got, err := io.ReadAll(to); err != nil || string(got) != "request" {
				t.Fatalf("request %q, %v", got, err)
			}
			reply := bytes.Repeat([]byte("0123456789abcdef"), mebi/16)
			go func() { to.Write(reply); to.Close() }()
			got, err := io.ReadAll(from)
			if err != nil || !bytes.Equal(got, reply) {
				t.Fatalf("reply of %d bytes, %v; want %d", len(got), err, len(reply))
			}
			o := receive(t, "the end of Splice", s.done)
			if asker == "server" {
				o.ab, o.ba = o.ba, o.ab
			}
			if o.ab != 7 || o.ba != mebi || o.err != nil {
				t.Errorf("Splice: %+v", o)
			}
		})
	}
}

// 64 MiB go each way at once, unchanged, in writes of every size.
func TestSpliceBothWays(t *testing.T) {
	const size = 64 * mebi
	s := spliceTCP(t, t.Context())
	var wg sync.WaitGroup
	var sums [4][]byte // sent by client, server; received by client, server
	for i, c := range []*net.TCPConn{s.client, s.server} {
		wg.Go(func() { sums[i] = send(t, c, size, uint64(i)) })
		wg.Go(func() {
			h := sha256.New()
			if n, err := io.Copy(h, c); n != size || err != nil {
				t.Errorf("received %d, %v", n, err)
			}
			sums[2+i] = h.Sum(nil)
		})
	}
	wg.Wait()
	if !bytes.Equal(sums[0], sums[3]) || !bytes.Equal(sums[1], sums[2]) {
		t.Error("the bytes changed on the way")
	}
	if o := receive(t, "the end of Splice", s.done); o != (outcome{size, size, nil}) {
		t.Errorf("Splice: %+v", o)
	}
}

// send writes size random bytes, ends the stream and returns their sum.
func send(t *testing.T, c *net.TCPConn, size int, seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 1))
	block := make([]byte, mebi)
	for i := range block {
		block[i] = byte(random.Uint32())
	}
	h := sha256.New()
	for size > 0 {
		n := min(size, 1+random.IntN(len(block)))
		from := random.IntN(len(block) - n + 1)
		h.Write(block[from : from+n])
		if _, err := c.Write(block[from : from+n]); err != nil {
			t.Error(err)
		}
		size -= n
	}
	c.CloseWrite()
	return h.Sum(nil)
}

// An error on one side is an error for the other, never a clean end.
func TestSpliceErrorResets(t *testing.T) {
	s := spliceTCP(t, t.Context())
	io.WriteString(s.server, "half a repl")
	if _, err := io.ReadFull(s.client, make([]byte, 11)); err != nil {
		t.Fatal(err)
	}
	s.server.SetLinger(0)
	s.server.Close()
	wantReset(t, s.client)
	if o := receive(t, "the end of Splice", s.done); o.err == nil || o.ba != 11 {
		t.Errorf("Splice: %+v", o)
	}
}

func TestSpliceContext(t *testing.T) {
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	s := spliceTCP(t, ctx)
	cancel(why)
	if o := receive(t, "the end of Splice", s.done); o.err != why {
		t.Errorf("Splice: %v", o.err)
	}
	wantReset(t, s.client)
	wantReset(t, s.server)
}

// conn is a connection with some methods replaced.
type conn struct {
	net.Conn
	read, write func([]byte) (int, error)
	close       func() error
}

func (c conn) Read(b []byte) (int, error) {
	if c.read != nil {
		return c.read(b)
	}
	return c.Conn.Read(b)
}

func (c conn) Write(b []byte) (int, error) {
	if c.write != nil {
		return c.write(b)
	}
	return c.Conn.Write(b)
}

func (c conn) Close() error {
	if c.close != nil {
		return c.close()
	}
	return c.Conn.Close()
}

// Without CloseWrite the other side is closed once both directions are over.
func TestSpliceWithoutCloseWrite(t *testing.T) {
	client, a := tcpPair(t)
	b, server := net.Pipe()
	done := runSplice(t.Context(), a, b)
	io.WriteString(client, "request")
	client.CloseWrite()
	if _, err := io.ReadFull(server, make([]byte, 7)); err != nil {
		t.Fatal(err)
	}
	io.WriteString(server, "reply")
	server.Close()
	if got, err := io.ReadAll(client); err != nil || string(got) != "reply" {
		t.Errorf("reply %q, %v", got, err)
	}
	if o := receive(t, "the end of Splice", done); o != (outcome{7, 5, nil}) {
		t.Errorf("Splice: %+v", o)
	}
}

// What an SSH peer sent before it closed the channel arrives, though the
// channel takes no more.
func TestSpliceWriteEOF(t *testing.T) {
	client, a := tcpPair(t)
	b, server := tcpPair(t)
	refused := make(chan struct{})
	channel := conn{Conn: b, write: func([]byte) (int, error) { close(refused); return 0, io.EOF }}
	done := runSplice(t.Context(), a, channel)
	io.WriteString(client, "a request that nobody reads")
	client.CloseWrite()
	receive(t, "the refused write", refused)
	io.WriteString(server, "413 too large")
	server.Close()
	if got, err := io.ReadAll(client); err != nil || string(got) != "413 too large" {
		t.Errorf("reply %q, %v", got, err)
	}
	if o := receive(t, "the end of Splice", done); o != (outcome{0, 13, nil}) {
		t.Errorf("Splice: %+v", o)
	}
}

func TestSplicePanic(t *testing.T) {
	client, a := tcpPair(t)
	b, server := tcpPair(t)
	done := runSplice(t.Context(), a, conn{Conn: b, read: func([]byte) (int, error) { panic("boom") }})
	wantReset(t, client)
	if n, _ := io.Copy(io.Discard, server); n != 0 {
		t.Errorf("server got %d bytes", n)
	}
	var p *fault.Panic
	if o := receive(t, "the end of Splice", done); !errors.As(o.err, &p) {
		t.Errorf("Splice: %v", o.err)
	}
}

// A channel whose Close hangs on a dead link does not hold up the client.
func TestSpliceCloseHangs(t *testing.T) {
	client, a := tcpPair(t)
	b, _ := tcpPair(t)
	ctx, cancel := context.WithCancel(t.Context())
	linkDied := make(chan struct{})
	done := runSplice(ctx, conn{Conn: b, close: func() error { <-linkDied; return b.Close() }}, a)
	cancel()
	wantReset(t, client)
	close(linkDied)
	receive(t, "the end of Splice", done)
}

// adopted is a connection whose Close releases nobody who writes.
type adopted struct {
	conn
	overs chan (<-chan struct{})
}

func (a adopted) Adopt(over <-chan struct{}) bool { a.overs <- over; return true }

// A direction that outlasts the cut is left to the connection it is stuck in.
func TestSpliceLeavesStuck(t *testing.T) {
	client, a := tcpPair(t)
	b, _ := tcpPair(t)
	writes, free := make(chan struct{}), make(chan struct{})
	stuck := adopted{overs: make(chan (<-chan struct{}), 2), conn: conn{Conn: b, write: func([]byte) (int, error) {
		close(writes)
		<-free
		return 0, io.EOF
	}}}
	ctx, cancel := context.WithCancel(t.Context())
	done := runSplice(ctx, a, stuck)
	io.WriteString(client, "x")
	receive(t, "a write", writes)
	cancel()
	wantReset(t, client)
	if o := receive(t, "the end of Splice", done); o.err != context.Canceled {
		t.Error(o.err)
	}
	over := receive(t, "what is left", stuck.overs)
	close(free)
	receive(t, "its end", over)
}

func BenchmarkSplice(b *testing.B) {
	s := spliceTCP(b, b.Context())
	block := make([]byte, mebi)
	b.SetBytes(mebi)
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		for range b.N {
			s.client.Write(block)
		}
		s.client.CloseWrite()
	}()
	if n, err := io.Copy(io.Discard, struct{ io.Reader }{s.server}); n != int64(b.N)*mebi || err != nil {
		b.Fatal(n, err)
	}
	s.server.Close()
	<-s.done
}

// The latency of a small message, there and back.
func BenchmarkSpliceEcho(b *testing.B) {
	client, near := tcpPair(b)
	far := must[net.Conn](b)(net.Dial("tcp", echoServer(b).String()))
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	done := runSplice(ctx, near, far)
	message, echo := make([]byte, 64), make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		client.Write(message)
		if _, err := io.ReadFull(client, echo); err != nil {
			b.Fatal(err)
		}
	}
	client.Close()
	<-done
}
