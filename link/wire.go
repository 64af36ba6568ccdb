package link

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// readAhead is the buffer under x/crypto, which by itself reads through 4 KiB:
// 66 read calls for a MiB become 19.
const readAhead = 64 << 10

// headLimit is how much of what the server sends first is kept, to tell what
// answered when it is not an SSH server.
const headLimit = 1 << 10

// wire is the transport of one connection. It remembers when something was
// last received, what came first, and that it broke.
type wire struct {
	net.Conn
	// opening, if not nil, hears all that the server has sent so far until it
	// returns false, or openingLimit is reached.
	opening func(head []byte) (more bool)
	alive   context.Context // until a read fails
	died    context.CancelFunc
	in      *bufio.Reader
	now     func() time.Time
	start   time.Time
	last    atomic.Int64 // when bytes were last received, in nanoseconds since start: monotonic, so that setting the clock cuts no link
	broken  atomic.Bool  // no more can be read: set before whoever reads sees it

	mu      sync.Mutex // guards what follows
	head    []byte
	readErr error
}

func newWire(c net.Conn, now func() time.Time) *wire {
	w := &wire{Conn: c, now: now, start: now()}
	w.alive, w.died = context.WithCancel(context.Background())
	w.in = bufio.NewReaderSize(source{w}, readAhead)
	return w
}

// silent is how long nothing was received.
func (w *wire) silent() time.Duration {
	return w.now().Sub(w.start) - time.Duration(w.last.Load())
}

// receivedSince reports whether anything was received after t.
func (w *wire) receivedSince(t time.Time) bool {
	return time.Duration(w.last.Load()) > t.Sub(w.start)
}

// Read reads through the buffer.
func (w *wire) Read(p []byte) (int, error) { return w.in.Read(p) }

// Close closes the transport; who reads from it is released.
func (w *wire) Close() error {
	w.broken.Store(true)
	w.died()
	return w.Conn.Close()
}

// source is the wire below its buffer.
type source struct{ w *wire }

func (s source) Read(p []byte) (int, error) {
	w := s.w
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.last.Store(int64(w.now().Sub(w.start)))
	}
	if n > 0 || err != nil {
		w.note(p[:n], err)
	}
	return n, err
}

// note is called by the one goroutine that reads.
func (w *wire) note(p []byte, err error) {
	if err != nil {
		w.broken.Store(true)
		w.died()
	}
	w.mu.Lock()
	limit := headLimit
	if w.opening != nil {
		limit = openingLimit
	}
	if room := limit - len(w.head); room > 0 {
		w.head = append(w.head, p[:min(room, len(p))]...)
	}
	if err != nil && w.readErr == nil {
		w.readErr = err
	}
	head := w.head
	w.mu.Unlock()
	if w.opening != nil && (!w.opening(head) || len(head) == openingLimit) {
		w.opening = nil
		w.mu.Lock()
		w.head = bytes.Clone(head[:min(len(head), headLimit)])
		w.mu.Unlock()
	}
}

// err returns the first error of a read, or nil.
func (w *wire) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.readErr
}

// greeting returns what the server sent first, and whether an identification
// string (RFC 4253 section 4.2) is in it.
func (w *wire) greeting() (text []byte, isSSH bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	isSSH = bytes.HasPrefix(w.head, []byte("SSH-")) || bytes.Contains(w.head, []byte("\nSSH-"))
	return bytes.Clone(w.head[:min(len(w.head), headLimit)]), isSSH
}
