package control

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// receiver is one stream of a session on its way in: at most StreamWindow bytes
// wait here for Read.
type receiver struct {
	frames *frames
	stream Stream

	mu      sync.Mutex // guards what follows
	ledger  Ledger
	waiting *bytes.Buffer
	end     error // after what waits
	more    sync.Cond
}

func newReceiver(f *frames, s Stream) *receiver {
	in := &receiver{frames: f, stream: s, waiting: new(bytes.Buffer)}
	in.more.L = &in.mu
	return in
}

// open sends the first grant.
func (r *receiver) open() error {
	r.mu.Lock()
	n := r.ledger.Open()
	r.mu.Unlock()
	return r.frames.grant(r.stream, n)
}

// take keeps what came; nothing is EOF.
func (r *receiver) take(p []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.more.Broadcast()
	if len(p) == 0 {
		r.end = io.EOF
		return nil
	}
	if errors.Is(r.end, io.EOF) {
		return errors.New("a stream goes on after its end")
	}
	r.waiting.Write(p)
	return r.ledger.Receive(len(p))
}

// Read returns what came, and grants as much again.
func (r *receiver) Read(p []byte) (int, error) {
	n, grant, err := r.pass(p)
	if err != nil {
		return n, err
	}
	return n, r.frames.grant(r.stream, grant)
}

func (r *receiver) pass(p []byte) (n int, grant uint32, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.await(); err != nil {
		return 0, 0, err
	}
	n, _ = r.waiting.Read(p)
	grant, err = r.passed(n)
	return n, grant, err
}

// await waits for something to read, with the lock held.
func (r *receiver) await() error {
	for r.waiting.Len() == 0 && r.end == nil {
		r.more.Wait()
	}
	if r.waiting.Len() == 0 {
		return r.end
	}
	return nil
}

// passed returns what is to be granted after n bytes, with the lock held.
func (r *receiver) passed(n int) (grant uint32, err error) {
	if r.end != nil {
		return 0, nil
	}
	return r.ledger.Pass(n)
}

// WriteTo writes all that comes, each time as much as has come.
func (r *receiver) WriteTo(to io.Writer) (n int64, err error) {
	free := new(bytes.Buffer)
	for {
		if free, err = r.takeAll(free); errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return n, err
		}
		put, err := to.Write(free.Bytes())
		n += int64(put)
		if err == nil {
			err = r.regrant(put)
		}
		if err != nil {
			return n, err
		}
	}
}

// takeAll returns what waits, and leaves free in its place.
func (r *receiver) takeAll(free *bytes.Buffer) (*bytes.Buffer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.await(); err != nil {
		return free, err
	}
	free.Reset()
	full := r.waiting
	r.waiting = free
	return full, nil
}

// regrant grants n bytes that were taken again.
func (r *receiver) regrant(n int) error {
	r.mu.Lock()
	grant, err := r.passed(n)
	r.mu.Unlock()
	if err != nil {
		return err
	}
	return r.frames.grant(r.stream, grant)
}

// close ends the stream after what waits.
func (r *receiver) close(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end == nil {
		r.end = err
	}
	r.more.Broadcast()
}
