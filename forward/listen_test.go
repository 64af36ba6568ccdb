package forward_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"tunneld/fault"
	"tunneld/forward"
)

// dying is a listener that a test ends: with an error, or a panic for nil.
type dying struct {
	net.Listener
	why chan error
}

func (d dying) die(why error) { d.why <- why; d.Close() }

func (d dying) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	if err == nil {
		return c, nil
	}
	select {
	case err = <-d.why:
		if err == nil {
			panic("boom")
		}
	default:
	}
	return nil, err
}

// mortals is a Listen whose listeners it also hands to the test.
type mortals chan dying

func (m mortals) listen(ctx context.Context) (net.Listener, error) {
	ln, err := listenLoopback(ctx)
	d := dying{ln, make(chan error, 1)}
	m <- d
	return d, err
}

// A listener that dies is replaced, and what it accepted lives on.
func TestListenerDies(t *testing.T) {
	listeners := make(mortals, 1)
	var c clock
	s := serve(t, &forward.Forward{Listen: listeners.listen, After: c.After, Now: c.Now})
	old := s.connect(t)
	roundTrip(t, old, "x")
	for range 3 {
		before := s.Status().Bound[0].String()
		c.advance(time.Minute)
		receive(t, "Listen", listeners).die(io.ErrUnexpectedEOF)
		eventually(t, "a new listener", func() bool {
			st := s.Status()
			return st.State == forward.Listening && st.Bound[0].String() != before
		})
		roundTrip(t, s.connect(t), "y")
		roundTrip(t, old, "x")
	}
	want := []forward.State{forward.Waiting, forward.Listening, forward.Waiting, forward.Listening}
	if got := s.states()[:4]; !slices.Equal(got, want) {
		t.Errorf("states %v, want %v", got, want)
	}
	if err := s.status(2).Err; err != io.ErrUnexpectedEOF {
		t.Errorf("waiting because of %v", err)
	}
}

// A listener that ends, even a young one, is replaced, and nothing is wrong.
func TestListenerEnds(t *testing.T) {
	listeners := make(mortals, 1)
	var c clock
	s := serve(t, &forward.Forward{Listen: listeners.listen, After: c.After, Now: c.Now})
	receive(t, "Listen", listeners).die(io.EOF)
	receive(t, "Listen", listeners)
	s.await(t, forward.Listening)
	want := []forward.State{forward.Waiting, forward.Listening, forward.Waiting, forward.Listening}
	eventually(t, "the states", func() bool { return slices.Equal(s.states(), want) })
	if err := s.status(2).Err; err != nil {
		t.Errorf("waiting because of %v", err)
	}
}

// A listener that dies young, or panics, does not make Serve spin.
func TestListenerDiesYoung(t *testing.T) {
	listeners := make(mortals, 1)
	var c clock
	s := serve(t, &forward.Forward{Listen: listeners.listen, After: c.After, Now: c.Now})
	for _, wait := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second} {
		s.await(t, forward.Listening)
		receive(t, "Listen", listeners).die(nil)
		st := s.await(t, forward.Retrying)
		var p *fault.Panic
		if !errors.As(st.Err, &p) {
			t.Errorf("retrying because of %v", st.Err)
		}
		c.fire(t, wait)
	}
	roundTrip(t, s.connect(t), "there")
}

// A Listen that fails is called again on schedule, as one state.
func TestRetry(t *testing.T) {
	next := make(chan error)
	var c clock
	s := serve(t, &forward.Forward{After: c.After, Now: c.Now, Listen: func(ctx context.Context) (net.Listener, error) {
		switch err := <-next; err {
		case nil:
			return listenLoopback(ctx)
		case io.ErrUnexpectedEOF:
			panic(err)
		default:
			return nil, err
		}
	}})
	inUse := fault.New(fault.ListenInUse, fault.Forward, "5432")
	for range 3 {
		next <- inUse
		c.fire(t, 5*time.Second)
	}
	since := s.Status().Since
	for n, wait := range []time.Duration{4000, 8000, 16000, 30000, 30000} {
		next <- []error{io.EOF, io.ErrUnexpectedEOF}[n%2]
		c.fire(t, wait*time.Millisecond)
	}
	if st := s.Status(); st.State != forward.Retrying || st.Since != since {
		t.Errorf("after retries: %+v, want retrying since %v", st, since)
	}
	c.fire(t, 3*time.Second) // this Listen takes its time
	if st := s.await(t, forward.Waiting); st.Err == nil {
		t.Errorf("waiting: %+v", st)
	}
	next <- nil
	roundTrip(t, s.connect(t), "at last")
	if st := s.Status(); st.Err != nil {
		t.Errorf("listening: %+v", st)
	}
}

func TestRetryHook(t *testing.T) {
	type call struct {
		err error
		n   int
	}
	calls := make(chan call, 3)
	s := serve(t, &forward.Forward{
		Listen: func(context.Context) (net.Listener, error) { return nil, io.EOF },
		Retry:  func(err error, n int) time.Duration { calls <- call{err, n}; return time.Microsecond },
	})
	for n := 1; n <= 3; n++ {
		if got := receive(t, "Retry", calls); got != (call{io.EOF, n}) {
			t.Errorf("call %d: %+v", n, got)
		}
	}
	go func() {
		for range calls {
		}
	}()
	s.cancel()
	receive(t, "the end of Serve", s.ended)
	close(calls)
}

// failing is a listener whose first calls of Accept fail.
type failing struct {
	net.Listener
	errs []error
}

func (f *failing) Accept() (net.Conn, error) {
	if len(f.errs) == 0 {
		return f.Listener.Accept()
	}
	err := f.errs[0]
	f.errs = f.errs[1:]
	return nil, err
}

// Out of descriptors, or a peer gone before it was accepted: the listener stays.
func TestTemporaryAcceptError(t *testing.T) {
	emfile := &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	var c clock
	s := serve(t, &forward.Forward{After: c.After, Now: c.Now, Listen: func(ctx context.Context) (net.Listener, error) {
		ln, err := listenLoopback(ctx)
		return &failing{ln, slices.Repeat([]error{emfile}, 10)}, err
	}})
	for _, ms := range []time.Duration{5, 10, 20, 40, 80, 160, 320, 640} {
		c.fire(t, ms*time.Millisecond)
	}
	c.fire(t, time.Second)
	c.fire(t, time.Second)
	roundTrip(t, s.connect(t), "here")
	if got := s.states(); len(got) != 2 {
		t.Errorf("states %v", got)
	}
}
