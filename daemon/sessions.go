package daemon

import (
	"context"
	"sync"

	"tunneld/control"
)

// sessions are those of one tunnel. The zero value has none.
type sessions struct {
	mu     sync.Mutex // guards what follows
	open   map[*openSession]bool
	closed error // why no more are opened, or nil
}

// openSession is one entry of sessions.
type openSession struct {
	cancel   context.CancelCauseFunc
	over     chan struct{}
	terminal bool
}

// add opens a session: its ctx ends with the tunnel. The caller removes it.
func (s *sessions) add(ctx context.Context, terminal bool) (inner context.Context, remove func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed != nil {
		return nil, nil, s.closed
	}
	if s.open == nil {
		s.open = map[*openSession]bool{}
	}
	o := &openSession{over: make(chan struct{}), terminal: terminal}
	inner, o.cancel = context.WithCancelCause(ctx)
	s.open[o] = true
	return inner, func() { s.remove(o) }, nil
}

func (s *sessions) remove(o *openSession) {
	s.mu.Lock()
	delete(s.open, o)
	s.mu.Unlock()
	o.cancel(nil)
	close(o.over)
}

func (s *sessions) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// drain opens no more, hangs up those with a terminal, which nobody finishes in
// time, and waits for the rest until ctx ends.
func (s *sessions) drain(ctx context.Context) {
	all := s.close(control.ErrStopping)
	for _, o := range all {
		if o.terminal {
			o.cancel(control.ErrStopping)
		}
	}
	for _, o := range all {
		select {
		case <-o.over:
		case <-ctx.Done():
			return
		}
	}
}

// end hangs up all of them for a reason, and gives that a moment.
func (s *sessions) end(why error) {
	all := s.close(why)
	over := make([]<-chan struct{}, len(all))
	for i, o := range all {
		o.cancel(why)
		over[i] = o.over
	}
	awaitAll(over, hangUpTime)
}

func (s *sessions) close(why error) (all []*openSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed == nil {
		s.closed = why
	}
	for o := range s.open {
		all = append(all, o)
	}
	return all
}
