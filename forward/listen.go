package forward

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"tunneld/fault"
)

// acceptHint is for the usual reason why a connection cannot be accepted.
const acceptHint = "the daemon may have too few descriptors: raise LimitNOFILE of the service, or ulimit -n"

const (
	settled  = time.Second     // a listener that lived this long was a success
	patience = 3 * time.Second // a Listen that takes longer waits for something

	acceptMin = 5 * time.Millisecond // the pause after a temporary accept error,
	acceptMax = time.Second          // doubled up to this

	inUseRetry = 5 * time.Second        // after fault.ListenInUse
	retryMin   = 500 * time.Millisecond // after any other error,
	retryMax   = 30 * time.Second       // doubled up to this
)

// keepListening listens, and listens again, until listening ends. What it
// accepts lives until ctx ends, whatever becomes of the listener.
func (f *Forward) keepListening(ctx, listening context.Context) {
	if listening.Err() != nil {
		return // drained before it began
	}
	f.move(Waiting, nil, nil)
	for failed := 0; listening.Err() == nil; {
		lived, err := f.listenOnce(ctx, listening)
		switch {
		case listening.Err() != nil:
			return
		case lived >= settled || err == nil:
			failed = 0
			f.move(Waiting, nil, err)
		default:
			failed++
			f.move(Retrying, nil, err)
			f.pause(listening, f.retry(err, failed))
		}
	}
}

// Again ends the pause of a retry: what the last Listen failed with may be over.
func (f *Forward) Again() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.again != nil {
		close(f.again)
		f.again = nil
	}
}

// pause waits before a retry, for Again at most.
func (f *Forward) pause(ctx context.Context, d time.Duration) {
	again := make(chan struct{})
	f.mu.Lock()
	f.again = again
	f.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-again:
	case <-f.after(d):
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.again = nil
}

// listenOnce serves one listener to its end, and says how long it lived and
// why it ended: nil for an end that is no failure.
func (f *Forward) listenOnce(ctx, listening context.Context) (lived time.Duration, err error) {
	ln, err := f.listen(listening)
	if err != nil {
		return 0, err
	}
	since := f.now()
	err = f.accept(ctx, listening, ln)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return f.now().Sub(since), err
}

// attempt is what one call of Listen came to.
type attempt struct {
	ln  net.Listener
	err error
}

// listen calls Listen. A retry stays Retrying, so that a port in use for an
// hour is one state and not hundreds, unless Listen turns out to wait.
func (f *Forward) listen(ctx context.Context) (net.Listener, error) {
	done := make(chan attempt, 1)
	go f.callListen(ctx, done)
	var a attempt
	select {
	case a = <-done:
	case <-f.after(patience):
		f.move(Waiting, nil, f.Status().Err)
		a = <-done
	}
	return a.ln, a.err
}

func (f *Forward) callListen(ctx context.Context, done chan<- attempt) {
	var a attempt
	defer func() { done <- a }()
	defer fault.Recover(&a.err)
	a.ln, a.err = f.Listen(ctx)
}

// accept owns ln: it hands on what comes in until ln fails or listening ends.
func (f *Forward) accept(ctx, listening context.Context, ln net.Listener) (err error) {
	defer fault.Recover(&err)
	closed := sync.OnceFunc(func() { shut(ln) })
	defer closed() // also waits for the one below
	unwatch := context.AfterFunc(listening, closed)
	defer unwatch()
	f.move(Listening, bound(ln), nil)
	for pause := time.Duration(0); ; {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			f.handOn(ctx, conn)
		case temporary(err) && listening.Err() == nil:
			if pause == 0 { // the first of a row: nobody is let in until it passes
				f.fail(fault.New(fault.ListenDenied, fault.Forward, "accept: %w", err).WithHint("%s", acceptHint))
			}
			pause = min(max(2*pause, acceptMin), acceptMax)
			f.sleep(listening, pause)
		default:
			return err
		}
	}
}

// temporary tells an accept error that passes (no descriptors left, a peer
// gone before it was accepted) from the end of the listener. The method is
// deprecated for other uses; net/http's server asks the same question.
func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

func (f *Forward) retry(err error, n int) time.Duration {
	switch {
	case f.Retry != nil:
		return f.Retry(err, n)
	case fault.CodeOf(err) == fault.ListenInUse:
		return inUseRetry
	}
	wait := retryMin
	for ; n > 1 && wait < retryMax; n-- {
		wait *= 2
	}
	return min(wait, retryMax)
}

// bound is where ln listens, with all the addresses of a listener that has
// several.
func bound(ln net.Listener) []net.Addr {
	if m, ok := ln.(interface{ Addrs() []net.Addr }); ok {
		return m.Addrs()
	}
	return []net.Addr{ln.Addr()}
}
