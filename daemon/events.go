package daemon

import (
	"context"
	"errors"

	"tunneld/control"
	"tunneld/fault"
)

// Note tells an event that happened outside the supervisor, such as a request
// to the API. It may be called by many goroutines at once, and never waits.
func (s *Supervisor) Note(e control.Event) {
	s.init()
	s.journal.note(e)
}

// Events tells what happened, and with Follow what happens. What was told by
// daemons before this one is among it, as far as the state folder has it.
func (s *Supervisor) Events(ctx context.Context, opts control.EventOptions, tell func(control.Event)) error {
	s.init()
	return s.history.tell(ctx, opts, tell)
}

// hear takes every event there is, one at a time.
func (s *Supervisor) hear(e control.Event) {
	s.history.add(e)
	if s.Noted != nil {
		s.Noted(e)
	}
}

// stateFolder is where this supervisor may write, or "".
func (s *Supervisor) stateFolder() string {
	if s.Loader.ReadOnly {
		return ""
	}
	return s.Loader.State
}

// startHistory begins to write the events down. The function it returns ends
// that when all are written, and waits for it, bounded.
func (s *Supervisor) startHistory() (end func()) {
	if err := s.history.recall(); err != nil {
		s.journal.note(control.Event{Kind: "daemon", Level: control.Warn, Message: "events from before cannot be read", Detail: err.Error()})
	}
	ctx, cancel := context.WithCancel(context.Background())
	go s.serveHistory(ctx)
	return func() {
		cancel()
		awaitAll([]<-chan struct{}{s.history.over}, stopTime)
	}
}

// serveHistory writes the events down; a panic costs the files alone.
func (s *Supervisor) serveHistory(ctx context.Context) {
	err := guarded(ctx, s.history.Serve)
	if p := new(fault.Panic); errors.As(err, &p) {
		s.journal.note(control.Event{Kind: "daemon", Level: control.Fault, Message: "internal error", Detail: panicText(err)})
	}
}
