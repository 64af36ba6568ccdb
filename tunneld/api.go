package main

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"tunneld/control"
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
