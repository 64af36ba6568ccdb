// Package forward relays streams from a listener to a dialer.
//
// A [Forward] is a listener, a dialer and a splice. Local, remote, dynamic and
// X11 forwards differ only in who listens and who dials, so both are plain
// functions: [ListenTCP] and [DialTCP], and their like for Unix sockets and
// named pipes, are this machine's, a link brings the others. A dynamic one
// speaks SOCKS and HTTP with its clients, who say where to dial. Listen may wait as long as it must, and its listener fails when
// what carries it dies; [Forward.Serve] then listens again. That is the whole
// of reconnecting.
//
// [Splice] joins two connections: the end of one direction half-closes the
// other side and leaves the other direction alone, so a reply after the end of
// the request arrives whole; an error, or the end of the context, cuts both.
//
// [Forward.Status] says what the listener is doing, [Forward.Stats] what went
// through, live while bytes flow; the hooks Changed and Failed tell the owner.
package forward

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"tunneld/fault"
)

// Forward relays every connection that its listener accepts to one that it
// dials. Listen, and Dial or DialTo, are required, the rest may stay zero. The
// fields must not change once Serve was called, and a Forward must not be
// copied.
type Forward struct {
	// Name tells the owner's forwards apart.
	Name string

	// Listen returns a new listener, which Serve closes. It waits as long as
	// it must, or until ctx ends; ctx bounds the call, not the listener. A
	// listener with a method Addrs() []net.Addr has all of them in Status. One
	// that fails with io.EOF is over and nothing is wrong: Serve listens again.
	Listen func(ctx context.Context) (net.Listener, error)

	// Dial opens the other end for a connection that came from origin, or
	// returns when ctx ends. Its connection is closed by Serve and must keep
	// the promises that [Splice] asks for.
	Dial func(ctx context.Context, origin net.Addr) (net.Conn, error)

	// DialTo, in place of Dial, makes the forward dynamic: every client first
	// says where it wants to go, in SOCKS 4, 4a or 5 or as to an HTTP proxy,
	// within 10 s, and DialTo opens that. host is a name or an IP address
	// without brackets. The client gets its protocol's reply for an error's
	// fault code. One that leaves without a word is not counted as failed.
	DialTo func(ctx context.Context, host string, port int, origin net.Addr) (net.Conn, error)

	// MaxConnections is how many may be open at once; one more is closed at
	// once and counted as failed (fault.ListenDenied). 0 means no limit.
	MaxConnections int

	// Retry is how long to wait after the nth Listen in a row that failed
	// with err, n from 1. nil waits 5 s for fault.ListenInUse, and otherwise
	// 500 ms, doubled each time up to 30 s. A listener that fails within its
	// first second counts as a Listen that failed.
	Retry func(err error, n int) time.Duration

	// Changed is called with every new status, in order, from Serve's
	// goroutine. nil: nobody is told.
	Changed func(Status)

	// Failed is called with the reason whenever a connection could not be
	// relayed. The error carries a fault code, or is a *fault.Panic.
	// Connections fail at the same time, and so do the calls. nil: nobody is
	// told.
	Failed func(error)

	// Recovered is called when a connection is relayed after one or more that
	// were not, the last of them at least 10 s before. nil: nobody is told.
	Recovered func()

	// After and Now are the clock; nil means time.After and time.Now.
	After func(time.Duration) <-chan time.Time
	Now   func() time.Time

	conns              sync.WaitGroup // one per accepted connection
	toTarget, toOrigin meter

	mu      sync.Mutex    // guards what follows
	failing bool          // a row of failures is not over
	failed  time.Time     // when the last connection could not be relayed
	again   chan struct{} // closed to end the pause of a retry; nil outside one
	status  Status
	stats   Stats // but not its bytes
	drained bool
	probing probing
	stop    context.CancelFunc // ends the listening of the running Serve, or nil
	over    chan struct{}      // closed when that Serve returns
}

// Serve listens and relays until ctx ends or Drain is called, and returns when
// all that it started is over: ctx's error when ctx ended, which closes the
// listener and cuts the open connections at once, and nil after Drain, which
// lets them finish.
func (f *Forward) Serve(ctx context.Context) error {
	listening, stop := context.WithCancel(ctx)
	defer stop()
	over := f.begin(stop)
	defer close(over)
	f.keepListening(ctx, listening)
	f.move(Stopped, nil, nil)
	f.conns.Wait()
	return ctx.Err()
}

// Drain makes Serve stop listening at once, for good, and returns when the last
// open connection is over and Serve with it, or with ctx's error when ctx ends
// earlier: cancelling Serve's context then cuts what is left.
func (f *Forward) Drain(ctx context.Context) error {
	f.mu.Lock()
	f.drained = true
	stop, over := f.stop, f.over
	f.mu.Unlock()
	if stop == nil {
		return nil // Serve was not called yet; it will return at once
	}
	stop()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin makes stop known to Drain, and calls it if Drain came first.
func (f *Forward) begin(stop context.CancelFunc) (over chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stop, f.over = stop, make(chan struct{})
	if f.drained {
		stop()
	}
	return f.over
}

// relay owns accepted: it dials, splices and counts. refused is why it may not.
func (f *Forward) relay(ctx context.Context, accepted net.Conn, refused error) {
	defer f.conns.Done()
	if refused != nil {
		reset(accepted)
		f.fail(refused)
		return
	}
	defer f.release()
	client, dialled, err := f.connect(ctx, accepted)
	if err != nil {
		reset(accepted)
		if ctx.Err() == nil && !errors.Is(err, errLeft) { // else Serve is ending, and that is no failure
			f.fail(err)
		}
		return
	}
	f.recovered()
	err = splice(ctx, client, dialled, f.countToTarget, f.countToOrigin)
	if _, ok := err.(*fault.Panic); ok {
		f.fail(err) // any other error is how that connection's life ended
	}
}

// connect opens the other end for accepted, which it returns as splice is to
// see it. Panics are errors.
func (f *Forward) connect(ctx context.Context, accepted net.Conn) (client, dialled net.Conn, err error) {
	defer fault.Recover(&err)
	if f.DialTo != nil {
		return f.negotiate(ctx, accepted)
	}
	dialled, err = coded(f.Dial(ctx, accepted.RemoteAddr()))
	return accepted, dialled, err
}

// coded gives the error of a dialer a code where it has none.
func coded(dialled net.Conn, err error) (net.Conn, error) {
	if err != nil && fault.CodeOf(err) == "" {
		return nil, fault.New(fault.TargetRefused, fault.Forward, "dial: %w", err)
	}
	return dialled, err
}

func (f *Forward) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}

func (f *Forward) after(d time.Duration) <-chan time.Time {
	if f.After != nil {
		return f.After(d)
	}
	return time.After(d)
}

// sleep waits for d or the end of ctx.
func (f *Forward) sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-f.after(d):
	}
}
