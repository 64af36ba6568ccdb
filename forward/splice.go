package forward

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"tunneld/fault"
)

// Splice relays between a and b until both directions have ended, and returns
// the bytes written each way. It owns both connections and closes them.
//
// The end of one direction half-closes its destination and leaves the other
// direction alone. An error, a panic in a connection, or the end of ctx cuts
// both, and is returned (for ctx its cause); a TCP connection that is cut is
// reset, so that its peer never takes a truncated stream for a complete one.
//
// A connection takes part in this with the methods of *net.TCPConn, and one
// that wraps another passes them on: CloseWrite() error half-closes (without
// it the peer sees the end only when both directions are over), SetLinger(int)
// error resets. A Read returns io.EOF only for an end that the peer meant, and
// something else when what carries the stream broke. A Write that returns
// io.EOF, as an SSH channel's does, says that the peer closed: it takes no
// more, but what it sent before is still relayed. Deadlines are not used.
//
// A connection whose Close does not release at once who reads and writes, as an
// SSH channel's does not, has a method Adopt(over <-chan struct{}) bool: when
// both were cut, a direction that is stuck in it is left to whoever ends it at
// last, and awaits over. false says that nothing in it is stuck any more.
func Splice(ctx context.Context, a, b net.Conn) (aToB, bToA int64, err error) {
	var ab, ba atomic.Int64
	err = splice(ctx, a, b, adder(&ab), adder(&ba))
	return ab.Load(), ba.Load(), err
}

// tally hears of bytes that were written.
type tally func(n int)

func adder(sum *atomic.Int64) tally { return func(n int) { sum.Add(int64(n)) } }

// splice is Splice with counters that live elsewhere.
func splice(ctx context.Context, a, b net.Conn, ab, ba tally) error {
	p := &pair{a: a, b: b, cut: make(chan struct{})}
	unwatch := context.AfterFunc(ctx, func() { p.end(context.Cause(ctx)) })
	there, back := make(chan struct{}), make(chan struct{})
	go p.relay(b, a, ab, there)
	go p.relay(a, b, ba, back)
	p.await(there)
	p.await(back)
	unwatch()
	p.end(nil)
	return p.err
}

// pair is two connections under one splice.
type pair struct {
	a, b net.Conn
	once sync.Once     // the end
	err  error         // why they were cut, or nil; set by the end
	cut  chan struct{} // closed when they were
}

// relay is one direction, and closes over at its end.
func (p *pair) relay(dst, src net.Conn, count tally, over chan<- struct{}) {
	defer close(over)
	if err := stream(dst, src, count); err != nil {
		p.end(err)
	}
}

// await waits for a direction, or leaves it to others once it is cut.
func (p *pair) await(over <-chan struct{}) {
	select {
	case <-over:
	case <-p.cut:
		if !adopt(p.a, over) && !adopt(p.b, over) {
			<-over
		}
	}
}

// adopt reports whether c, or what it wraps, takes over the wait for a direction.
func adopt(c net.Conn, over <-chan struct{}) bool {
	if g, ok := c.(*greeted); ok {
		return adopt(g.Conn, over)
	}
	a, ok := c.(interface {
		Adopt(over <-chan struct{}) bool
	})
	return ok && a.Adopt(over)
}

// end closes both connections once: cleanly for nil, else cutting them. Every
// call returns with the end complete.
func (p *pair) end(why error) {
	p.once.Do(func() {
		if p.err = why; why != nil {
			// A Close that has to write, as an SSH channel's, may block on a
			// dead link: it must not hold up the reset of the other side.
			resetTCP(p.a)
			resetTCP(p.b)
		}
		shut(p.a)
		shut(p.b)
		if why != nil {
			close(p.cut)
		}
	})
}

// stream copies src to dst until src ends, then half-closes dst. count hears
// what dst took.
func stream(dst, src net.Conn, count tally) (err error) {
	defer fault.Recover(&err)
	var buf buffer
	defer buf.release()
	for {
		got, end := src.Read(buf.bytes())
		if got > 0 {
			put, err := dst.Write(buf.bytes()[:got])
			count(put)
			if err == io.EOF {
				return nil // dst's peer closed; its own direction says how
			}
			if err != nil {
				return err
			}
			buf.fit(got)
		}
		if end == io.EOF {
			closeWrite(dst)
			return nil
		}
		if end != nil {
			return end
		}
	}
}

// closeWrite tells c's peer that no more will come. An error is left to the
// other direction: c is then gone, but what it sent before may yet be read.
func closeWrite(c net.Conn) {
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
	}
}

// reset closes c, as an error for its peer where c can say so.
func reset(c net.Conn) {
	resetTCP(c)
	shut(c)
}

// lingerer is a connection that may be reset.
type lingerer interface{ SetLinger(sec int) error }

// resetTCP resets c if it is a TCP connection, which never blocks.
func resetTCP(c net.Conn) {
	if l, ok := c.(lingerer); ok && l.SetLinger(0) == nil {
		shut(c)
	}
}

// shut closes c. Nothing is left to do about an error or a panic in it.
func shut(c io.Closer) {
	var err error
	defer fault.Recover(&err)
	err = c.Close()
}
