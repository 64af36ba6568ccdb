package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"github.com/coder/websocket"
)

// errDetached ends the streams of a session that is over.
var errDetached = errors.New("the session is over")

// frames are the frames of a session on a WebSocket, one reader's and many
// writers'. The end of ctx breaks the connection.
type frames struct {
	ctx context.Context
	ws  *websocket.Conn
	buf [2 + FrameLimit]byte // a byte more than a frame may have
}

// send sends a frame as ParseFrame reads it.
func (f *frames) send(p []byte) error { return f.ws.Write(f.ctx, websocket.MessageBinary, p) }

func (f *frames) grant(s Stream, n uint32) error {
	if n == 0 {
		return nil
	}
	return f.send(Grant{s, n}.Frame().Append(nil))
}

// next returns the next frame, whose data is good until the one after it.
func (f *frames) next() (Frame, error) {
	kind, r, err := f.ws.Reader(f.ctx)
	if err != nil {
		return Frame{}, err
	}
	if kind != websocket.MessageBinary {
		return Frame{}, errors.New("a text message after the first")
	}
	n, err := io.ReadFull(r, f.buf[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return Frame{}, err
	}
	return ParseFrame(f.buf[:n])
}

// sender is one stream of a session on its way out: Write waits for credit.
type sender struct {
	frames *frames
	stream Stream
	buf    []byte // Write's alone

	mu     sync.Mutex // guards what follows
	budget Budget
	end    error // why nothing is sent any more
	more   sync.Cond
}

func newSender(f *frames, s Stream) *sender {
	out := &sender{frames: f, stream: s}
	out.more.L = &out.mu
	return out
}

// Write sends p as the other side grants.
func (s *sender) Write(p []byte) (n int, err error) {
	for n < len(p) {
		size, err := s.spend(min(len(p)-n, FrameLimit))
		if err != nil {
			return n, err
		}
		s.buf = Frame{s.stream, p[n : n+size]}.Append(s.buf[:0])
		if err := s.frames.send(s.buf); err != nil {
			return n, err
		}
		n += size
	}
	return n, nil
}

// closeWrite sends EOF.
func (s *sender) closeWrite() error { return s.frames.send([]byte{byte(s.stream)}) }

// spend waits for credit, and takes up to n of it.
func (s *sender) spend(n int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.budget.Left() == 0 && s.end == nil {
		s.more.Wait()
	}
	if s.end != nil {
		return 0, s.end
	}
	n = min(n, s.budget.Left())
	return n, s.budget.Spend(n)
}

// add takes a grant.
func (s *sender) add(n uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.more.Broadcast()
	return s.budget.Add(n)
}

// detach releases whoever writes.
func (s *sender) detach() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end = errDetached
	s.more.Broadcast()
}

func (s *sender) isDetached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end != nil
}

// receiver is one stream of a session on its way in: at most StreamWindow bytes
// wait here for Read.
type receiver struct {
	frames *frames
	stream Stream

	mu      sync.Mutex // guards what follows
	ledger  Ledger
	waiting bytes.Buffer
	end     error // after what waits
	more    sync.Cond
}

func newReceiver(f *frames, s Stream) *receiver {
	in := &receiver{frames: f, stream: s}
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
	for r.waiting.Len() == 0 && r.end == nil {
		r.more.Wait()
	}
	if r.waiting.Len() == 0 {
		return 0, 0, r.end
	}
	n, _ = r.waiting.Read(p)
	if r.end == nil {
		grant, err = r.ledger.Pass(n)
	}
	return n, grant, err
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
