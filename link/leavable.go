package link

import (
	"net"
	"sync"
)

// Leavable returns a stream of Dial or DialUnix whose Close releases at once who
// reads and writes, whatever the server does: for those who cannot let others
// wait for that, as a splice does. Each call costs a goroutine and a copy. One
// goroutine may read, and one write.
func Leavable(c net.Conn) net.Conn {
	s, ok := c.(*stream)
	if !ok {
		return c
	}
	return &leavable{stream: s, left: make(chan struct{})}
}

type leavable struct {
	*stream
	once sync.Once
	left chan struct{} // closed by Close

	in, out []byte // of the one who reads, and of the one who writes
}

// called is what a call came to.
type called struct {
	n   int
	err error
}

// Read implements net.Conn.
func (l *leavable) Read(p []byte) (int, error) {
	if len(l.in) < len(p) {
		l.in = make([]byte, len(p))
	}
	n, err := l.call(l.stream.Read, l.in[:len(p)])
	return copy(p, l.in[:n]), err
}

// Write implements net.Conn.
func (l *leavable) Write(p []byte) (int, error) {
	l.out = append(l.out[:0], p...)
	return l.call(l.stream.Write, l.out)
}

// call leaves behind what outlasts Close; the buffer is then nobody else's.
func (l *leavable) call(f func([]byte) (int, error), p []byte) (int, error) {
	select {
	case <-l.left:
		return 0, net.ErrClosed
	default:
	}
	done := make(chan called, 1)
	if !l.conn.spawn(func() { done <- calling(f, p) }) {
		return f(p) // nothing is stuck in a dead connection
	}
	select {
	case c := <-done:
		return c.n, c.err
	case <-l.left:
		return 0, net.ErrClosed
	}
}

func calling(f func([]byte) (int, error), p []byte) called {
	n, err := f(p)
	return called{n, err}
}

// Close implements net.Conn.
func (l *leavable) Close() error {
	l.once.Do(func() { close(l.left) })
	return l.stream.Close()
}
