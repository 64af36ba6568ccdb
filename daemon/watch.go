package daemon

import (
	"context"

	"tunneld/control"
	"tunneld/profiles"
)

// watching is a watch of the configuration folder that is under way.
type watching struct {
	cancel context.CancelFunc
	over   chan struct{}
}

// setWatch starts or ends the watch as daemon.toml wants it.
func (s *Supervisor) setWatch(on bool) {
	switch {
	case !on:
		s.unwatch()
	case s.watching == nil:
		ctx, cancel := context.WithCancel(context.Background())
		s.watching = &watching{cancel, make(chan struct{})}
		go s.watchFolder(ctx, s.watching.over)
	}
}

// unwatch ends the watch, if there is one, and what it has not told yet.
func (s *Supervisor) unwatch() {
	if s.watching == nil {
		return
	}
	s.watching.cancel()
	<-s.watching.over
	s.watching = nil
	select {
	case <-s.edits:
	default:
	}
}

func (s *Supervisor) watchFolder(ctx context.Context, over chan<- struct{}) {
	defer close(over)
	profiles.Watch(ctx, s.Loader.Dir, profiles.WatchOptions{Trouble: s.tellUnwatched}, s.edited)
}

// edited asks for a load. One that is asked for already will see it all.
func (s *Supervisor) edited() {
	select {
	case s.edits <- struct{}{}:
	default:
	}
}

func (s *Supervisor) tellUnwatched(err error) {
	s.journal.note(control.Event{Kind: "daemon", Level: control.Warn, Message: "saved files are noticed late", Detail: err.Error(), Hint: "tunneld reload takes them at once"})
}

// takeEdit applies what was saved.
func (s *Supervisor) takeEdit(ctx context.Context) {
	before := s.set
	if changes := s.load(ctx).Changes; len(changes) > 0 {
		s.lately.note(before)
	}
}
