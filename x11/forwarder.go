// Package x11 shows the windows of remote programs on a display here, safely.
//
// A [Display] names an X server, an [Auth] is what it wants to see, and
// [LoadAuth] finds that in an authority file. A [Forwarder] takes the X11
// streams that a link brings and gives each to the [Grant] whose cookie it
// shows: that of a session is a fake one, made for it, and exchanged for the
// real one on the way, so that the real one never leaves this machine. Who
// shows none of ours gets a refusal in the X protocol, and no display hears of
// it.
//
// An [Authorization] restricts programs that are not trusted, by the display's
// SECURITY extension, and is proved before it is used. [Probe] looks at a
// display for a doctor.
//
// A display at a TCP port may be anyone's, and is read with suspicion and within
// a time: the SECURITY extension's requests, of which xgb has none, are made
// here, and xgb sees only answers that were looked at before.
package x11

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"
)

// retryPause is how long Serve waits after a Listen that failed, and after a
// listener that did not live that long.
const retryPause = time.Second

// Forwarder gives X11 streams to the displays of the sessions that they belong
// to. Listen and Splice are required, the rest may stay zero. The fields must
// not change once Serve was called, and a Forwarder must not be copied.
type Forwarder struct {
	// Listen returns a listener for X11 streams, which Serve closes. It waits
	// as long as it must, or until ctx ends; ctx bounds the call, not the
	// listener.
	Listen func(ctx context.Context) (net.Listener, error)

	// Splice relays between both until both directions have ended, or ctx
	// has, and returns the bytes of each. It closes both.
	Splice func(ctx context.Context, program, display net.Conn) (toDisplay, toProgram int64, err error)

	// Refused is called with the reason whenever a stream was refused that no
	// Grant is to blame for, with a fault code or as a *fault.Panic. Calls
	// come at the same time. nil: nobody is told.
	Refused func(error)

	// Limit is how long a program may take for its first packet, and a display
	// for its answer; 0 means 10 s.
	Limit time.Duration

	// After and Now are the clock; nil means time.After and time.Now.
	After func(time.Duration) <-chan time.Time
	Now   func() time.Time

	streams sync.WaitGroup // one per accepted stream

	mu     sync.Mutex // guards what follows
	grants []*Grant
	stats  Stats
}

// Allow lets the programs in that show g's cookie, until g is withdrawn.
func (f *Forwarder) Allow(g *Grant) {
	if g.Cookie.IsZero() {
		g.Cookie = NewCookie()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.grants = append(f.grants, g)
}

// Withdraw refuses g's new windows. Its open ones stay.
func (f *Forwarder) Withdraw(g *Grant) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.grants = slices.DeleteFunc(f.grants, func(other *Grant) bool { return other == g })
}

// Serve relays until ctx ends, which cuts what is open, and returns ctx's error
// when all that it started is over. When a listener fails, as with the link
// that carries it, it listens again.
func (f *Forwarder) Serve(ctx context.Context) error {
	defer f.streams.Wait()
	for ctx.Err() == nil {
		began := f.now()
		if listener, err := f.Listen(ctx); err == nil {
			f.accept(ctx, listener)
		}
		if f.now().Sub(began) < retryPause {
			f.pause(ctx)
		}
	}
	return ctx.Err()
}

// accept takes the listener's streams until it fails or ctx ends.
func (f *Forwarder) accept(ctx context.Context, listener net.Listener) {
	defer listener.Close()
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	for {
		stream, err := listener.Accept()
		if err != nil {
			return // its end is that of the link, which has its own to tell
		}
		f.count(func(s *Stats) { s.Total++; s.Active++ })
		f.streams.Go(func() { f.relay(ctx, stream) })
	}
}

// relay owns program.
func (f *Forwarder) relay(ctx context.Context, program net.Conn) {
	defer f.count(func(s *Stats) { s.Active-- })
	g, display, err := f.connect(ctx, program)
	if err != nil {
		program.Close()
		if ctx.Err() == nil && !errors.Is(err, errLeft) { // else Serve is ending, and that is no refusal
			f.refuse(g, err)
		}
		return
	}
	g.open.Add(1)
	defer g.open.Add(-1)
	ctx, release := g.within(ctx)
	defer release()
	toDisplay, toProgram, _ := f.Splice(ctx, program, display) // an error is how that window's life ended
	f.count(func(s *Stats) { s.ToDisplay += uint64(toDisplay); s.ToProgram += uint64(toProgram) })
}
