package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"tunneld/control"
	"tunneld/fault"
)

// localAPI is the local API of a daemon in this process.
type localAPI struct {
	listener net.Listener
	ready    chan struct{} // closed by open
	opened   sync.Once
	end      context.CancelFunc
	work     sync.WaitGroup
}

// listenAPI takes the lock and the socket of f's daemon. Clients wait until
// open.
func listenAPI(f folders, socket string) (*localAPI, error) {
	var options control.ListenOptions
	if f.system {
		options.Group = "tunneld"
	}
	l, err := control.Listen(socket, options)
	return &localAPI{listener: l, ready: make(chan struct{})}, err
}

// open answers clients from now on: the profiles are read, so there is
// something to show.
func (a *localAPI) open() { a.opened.Do(func() { close(a.ready) }) }

// noting is a daemon that takes events.
type noting interface {
	control.Daemon
	Note(control.Event)
}

// start serves d until stop, whatever ends ctx before: a daemon that is
// stopping still answers, and keeps its socket from the next one.
func (a *localAPI) start(ctx context.Context, d noting) {
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
func (a *localAPI) serve(ctx context.Context, d noting) {
	select {
	case <-a.ready:
	case <-ctx.Done():
	}
	e := control.Event{Time: time.Now(), Level: control.Info, Kind: "api", Message: "answering", Detail: a.listener.Addr().String()}
	d.Note(e)
	err := control.Serve(ctx, a.listener, d, control.Options{Served: func(r control.Access) { d.Note(accessEvent(r)) }})
	if !errors.Is(err, context.Canceled) {
		e.Time, e.Level, e.Message, e.Detail = time.Now(), control.Fault, "the API ended", err.Error()
		d.Note(e)
	}
}

// accessEvent tells of a request: what may change something, and what failed in
// the daemon, is for everybody.
func accessEvent(a control.Access) control.Event {
	e := control.Event{Time: time.Now(), Level: control.Debug, Kind: "api", Message: "request"}
	e.Detail = fmt.Sprintf("%s %s: %d, user %s, pid %d", a.Method, a.Path, a.Status, a.Peer.User, a.Peer.PID)
	if rest, ok := strings.CutPrefix(a.Path, "/v1/profiles/"); ok {
		e.Profile, _, _ = strings.Cut(rest, "/")
	}
	if a.Method != http.MethodGet && a.Method != http.MethodHead {
		e.Level = control.Info
	}
	if p := new(fault.Panic); errors.As(a.Err, &p) {
		e.Level, e.Detail = control.Fault, e.Detail+"\n"+p.Error()+"\n"+string(p.Stack)
	}
	return e
}
