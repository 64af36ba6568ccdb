package daemon

import (
	"context"
	"sync"
	"time"

	"tunneld/control"
	"tunneld/link"
	"tunneld/profiles"
	"tunneld/shell"
)

// The states of a program.
//
//	          launch, up; the link, for one that is always kept
//	stopped ───────────────────────────────────────────────────▶ running
//	   ▲ ▲              kept                               its end │
//	   │ └────────────────────── waiting ◀────────────────────────┤
//	   └──────────────────────────────────────────────────────────┘
const (
	appStopped = "stopped"
	appRunning = "running"
	appWaiting = "waiting" // for the link, or after an end
)

// againMin is the least time between two starts of a program that is kept.
const againMin = time.Second

// app is a program of a profile, from the first start to its stop.
type app struct {
	windows *windows
	spec    profiles.App
	ctx     context.Context // ends all that runs of it
	cancel  context.CancelFunc
	soon    chan struct{} // holds one: try again at once
	now     func() time.Time

	wasStopped bool // by a person; guarded by the lock of windows

	mu      sync.Mutex // guards what follows
	kept    bool       // it is started again
	running int
	since   time.Time // of the state
	exit    *shell.Exit
	err     error
	errAt   time.Time
}

func (w *windows) newApp(spec profiles.App) *app {
	a := &app{windows: w, spec: spec, soon: make(chan struct{}, 1), now: time.Now}
	a.ctx, a.cancel = context.WithCancel(w.tunnel.ctx)
	return a
}

// observe describes the program.
func (a *app) observe(profile string, out *control.App) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.running > 0:
		out.State = appRunning
	case a.kept && a.ctx.Err() == nil:
		out.State = appWaiting
	}
	out.Running, out.Since = a.running, moment(a.since)
	if a.exit != nil {
		out.Exit = a.exit.String()
	}
	out.Error = wireError(profile, a.err, a.errAt)
}

// prod ends a wait.
func (a *app) prod() {
	select {
	case a.soon <- struct{}{}:
	default:
	}
}

// keep runs the program whenever the link is up, until ctx ends. It never
// brings the link up. One that ends well was closed by its person, and stays so
// until the link comes up anew.
func (a *app) keep(context.Context) error {
	for n := 0; a.awaitLink(); n++ {
		began := a.now()
		good := a.run(a.ctx, control.X11Request{}, nil) == nil && a.endedWell()
		if a.now().Sub(began) > time.Minute {
			n = 0
		}
		doze(a.ctx, againMin-a.now().Sub(began))
		switch {
		case good:
			a.await(nil)
		case a.isLinkUp():
			a.await(time.After(a.pause(n)))
		}
	}
	return a.ctx.Err()
}

// pause is the wait before the nth start again in a row: 1 s, 2 s, 4 s, up to
// that of the link.
func (a *app) pause(n int) time.Duration {
	most := max(againMin, a.windows.tunnel.current().Link.ReconnectMax)
	return min(againMin<<min(n, 20), most)
}

// awaitLink waits until the link is up; false says that ctx has ended.
func (a *app) awaitLink() bool {
	for a.ctx.Err() == nil && !a.isLinkUp() {
		a.await(nil)
	}
	return a.ctx.Err() == nil
}

func (a *app) isLinkUp() bool { return a.windows.tunnel.link.Status().State == link.Up }

func (a *app) await(limit <-chan time.Time) {
	select {
	case <-a.ctx.Done():
	case <-a.soon:
	case <-limit:
	}
}

func (a *app) endedWell() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.exit != nil && *a.exit == shell.Exit{}
}

// run runs the program once, and returns when it and its last window are gone.
// started, if not nil, hears that it runs. The error is why it did not, or why
// nobody knows how it ended.
func (a *app) run(ctx context.Context, r control.X11Request, started func()) error {
	p := a.windows.tunnel.current()
	r.Trusted = r.Trusted || a.spec.Trusted
	v := visit{ctx: ctx, tunnel: a.windows.tunnel, profile: p, app: a.spec.Name, hold: p.Link.ConnectTimeout, leave: func() {}}
	shown, err := v.show(r)
	if err != nil {
		a.end(shell.Exit{}, err, false)
		return err
	}
	defer shown.release(ctx)
	out, errs := a.output(), a.output()
	begun := false
	exit, err := v.session(control.SessionRequest{Command: a.command()}, control.SessionStreams{
		Stdout: out, Stderr: errs,
		Started: func() { begun = true; a.begin(); call(started) },
	}, shown)
	out.end()
	errs.end()
	if err == nil {
		shown.awaitClosed(ctx) // it may have gone into the background
	}
	a.end(exit, err, begun)
	return err
}

func call(f func()) {
	if f != nil {
		f()
	}
}

// command is the line for the account's shell.
func (a *app) command() string {
	if !a.spec.LoginShell {
		return a.spec.Command
	}
	line, err := shell.Quote([]string{a.spec.Command})
	if err != nil {
		return a.spec.Command // no shell could read it either
	}
	return `exec "${SHELL:-/bin/sh}" -l -c ` + line
}

// output tells what the program says.
func (a *app) output() *outputLines {
	t := a.windows.tunnel
	return newOutputLines(a.now, func(line string) {
		t.journal.note(control.Event{Kind: "app", Level: control.Info, Profile: t.name, App: a.spec.Name, Message: "program says", Detail: line})
	})
}

func (a *app) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running++
	a.since, a.exit, a.err = a.now(), nil, nil
}

// end remembers how the program ended, or why it did not start. That somebody
// stopped it is no failure.
func (a *app) end(exit shell.Exit, err error, begun bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if begun {
		a.running--
	}
	if a.running == 0 {
		a.since = a.now()
	}
	a.exit, a.err, a.errAt = nil, err, a.now()
	if err == nil {
		a.exit, a.err = &exit, exit.Problem()
	}
	if a.ctx.Err() != nil {
		a.err = nil
	}
}
