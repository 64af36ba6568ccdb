package control

import (
	"io"
	"sync"
)

// sender is one stream of a session on its way out: Write waits for credit.
type sender struct {
	frames *frames
	stream Stream
	buf    []byte // of who sends: a frame, whose first byte is the stream

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
		size := min(len(p)-n, FrameLimit)
		s.make(size)
		sent, err := s.pass(copy(s.buf[1:], p[n:n+size]))
		n += sent
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// firstRead is how much is read at once of what is not known to be busy.
const firstRead = 8 << 10

// ReadFrom sends what from has, to its end, in frames that grow where there is much.
func (s *sender) ReadFrom(from io.Reader) (n int64, err error) {
	s.make(firstRead)
	for {
		got, end := from.Read(s.buf[1:])
		sent, err := s.pass(got)
		n += int64(sent)
		switch {
		case err != nil:
			return n, err
		case end == io.EOF:
			return n, nil
		case end != nil:
			return n, end
		case got == len(s.buf)-1:
			s.make(FrameLimit)
		}
	}
}

// make makes room for a frame of size bytes.
func (s *sender) make(size int) {
	if len(s.buf) <= size {
		s.buf = make([]byte, 1+size)
	}
}

// pass sends the first n bytes that are in the frame, as the other side grants. The
// byte before what is sent next was sent, or never meant anything.
func (s *sender) pass(n int) (sent int, err error) {
	for sent < n {
		size, err := s.spend(n - sent)
		if err != nil {
			return sent, err
		}
		frame := s.buf[sent : sent+1+size]
		frame[0] = byte(s.stream)
		if err := s.frames.send(frame); err != nil {
			return sent, err
		}
		sent += size
	}
	return sent, nil
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
