package main

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"tunneld/control"
	"tunneld/daemon"
)

// localAPI is the local API of a daemon in this process.
type localAPI struct {
	listener net.Listener
	log      *eventLog
	ready    chan struct{} // closed by open
	opened   sync.Once
	end      context.CancelFunc
	work     sync.WaitGroup
}

// listenAPI takes the lock and the socket of f's daemon. Clients wait until
// open.
func listenAPI(f folders, socket string, log *eventLog) (*localAPI, error) {
	var options control.ListenOptions
	if f.system {
		options.Group = "tunneld"
	}
	l, err := control.Listen(socket, options)
	return &localAPI{listener: l, log: log, ready: make(chan struct{})}, err
}

// open answers clients from now on: the profiles are read, so there is
// something to show.
func (a *localAPI) open() { a.opened.Do(func() { close(a.ready) }) }

// start serves d until stop, whatever ends ctx before: a daemon that is
// stopping still answers, and keeps its socket from the next one.
func (a *localAPI) start(ctx context.Context, d control.Daemon) {
	ctx, a.end = context.WithCancel(context.WithoutCancel(ctx))
	a.work.Go(func() { a.serve(ctx, d) })
}

// stop ends what start began, and lets the next daemon in.
func (a *localAPI) stop() {
	a.end()
	a.work.Wait()
}

// serve tells of its beginning, and of an end that nobody asked for: tunnels go
// on without the API.
func (a *localAPI) serve(ctx context.Context, d control.Daemon) {
	select {
	case <-a.ready:
	case <-ctx.Done():
	}
	e := control.Event{Time: time.Now(), Level: control.Info, Kind: "api", Message: "answering", Detail: a.listener.Addr().String()}
	a.log.write(e)
	err := control.Serve(ctx, a.listener, d, control.Options{Served: a.log.access})
	if !errors.Is(err, context.Canceled) {
		e.Time, e.Level, e.Message, e.Detail = time.Now(), control.Fault, "the API ended", err.Error()
		a.log.write(e)
	}
}

// service is the supervisor as the API sees it.
type service struct{ *daemon.Supervisor }

// Reload reads the profiles again.
func (s service) Reload(ctx context.Context) (control.ReloadResult, error) {
	out, err := s.Supervisor.Reload(ctx)
	var r control.ReloadResult
	for _, c := range out.Changes {
		r.Changes = append(r.Changes, control.Change{Verb: string(c.Verb), Profile: c.Profile, Forward: c.Forward})
	}
	for _, p := range out.Problems {
		r.Problems = append(r.Problems, control.Problem{File: p.File, Line: p.Line, Column: p.Column, Key: p.Key, Message: p.Message, Hint: p.Hint, Warning: p.Warning})
	}
	return r, err
}

var errLater = errors.New("this version cannot do that yet")

// SetSecret has no place for secrets yet.
func (s service) SetSecret(context.Context, string, []byte) error { return errLater }

// RemoveSecret has nothing to remove yet.
func (s service) RemoveSecret(context.Context, string) error { return errLater }

// Trace has no connection of its own yet.
func (s service) Trace(context.Context, string, control.TraceOptions, func(control.Event)) error {
	return errLater
}

// Prompts is empty as long as nothing can be answered.
func (s service) Prompts() []control.Prompt { return nil }

// Answer has nothing to answer yet.
func (s service) Answer(context.Context, control.Answer) error { return errLater }
