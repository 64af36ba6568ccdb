package control_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"tunneld/control"
)

// fullPipe takes nothing until it takes all, or is closed.
type fullPipe struct {
	asked         chan struct{} // a write waits
	takes, closed chan struct{}
	once          *sync.Once
}

func newFullPipe() fullPipe {
	return fullPipe{asked: make(chan struct{}, 1), takes: make(chan struct{}), closed: make(chan struct{}), once: new(sync.Once)}
}

func (f fullPipe) Read([]byte) (int, error) { <-f.closed; return 0, io.EOF }
func (f fullPipe) Write(b []byte) (int, error) {
	select {
	case f.asked <- struct{}{}:
	default:
	}
	select {
	case <-f.takes:
		return len(b), nil
	case <-f.closed:
		return 0, io.EOF // as an SSH channel
	}
}
func (f fullPipe) CloseWrite() error { f.Close(); return nil }
func (f fullPipe) Close() error      { f.once.Do(func() { close(f.closed) }); return nil }

// fill writes until nobody takes more, and returns how that ends.
func fill(p control.Pipe) (wrote <-chan int, over <-chan error) {
	w, o := make(chan int, 1), make(chan error, 1)
	go func() {
		for {
			n, err := p.Write(make([]byte, control.FrameLimit))
			if err != nil {
				o <- err
				return
			}
			select {
			case w <- n:
			default:
			}
		}
	}()
	return w, o
}

// A client that goes away while the far end takes nothing ends the stream.
func TestDialNoticesTheEndOfAClientThatNobodyReads(t *testing.T) {
	t.Parallel()
	far := newFullPipe()
	s := serve(t, &sessions{dialed: func(context.Context, string) (control.Pipe, error) { return far, nil }})
	ctx, leave := context.WithCancel(t.Context())
	p, err := s.client.Dial(ctx, "work", "x:1")
	if err != nil {
		t.Fatal(err)
	}
	_, over := fill(p)
	<-far.asked
	leave()
	<-over
	p.Close()
	if a := s.access(t, 0); a.Err == nil || !errors.Is(a.Err, io.ErrUnexpectedEOF) {
		t.Errorf("served with %v", a.Err)
	}
}

// A far end that takes its time is waited for: the signs harm nobody.
func TestDialWaitsForASlowFarEnd(t *testing.T) {
	t.Parallel()
	far := newFullPipe()
	s := serve(t, &sessions{dialed: func(context.Context, string) (control.Pipe, error) { return far, nil }})
	p, err := s.client.Dial(t.Context(), "work", "x:1")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ended := make(chan error, 1)
	go func() { _, err := io.ReadAll(p); ended <- err }() // reads the signs
	wrote, over := fill(p)
	stuck := time.NewTimer(5 * time.Second)
	defer stuck.Stop()
	for waits := true; waits; {
		select {
		case <-wrote:
		case err := <-over:
			t.Fatal(err)
		case <-stuck.C:
			waits = false
		}
	}
	close(far.takes)
	for range 100 {
		select {
		case <-wrote:
		case err := <-over:
			t.Fatal(err)
		}
	}
	far.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
