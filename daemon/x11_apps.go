package daemon

import (
	"context"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/profiles"
)

// setApps makes the programs be as p says: those that are always kept begin, and
// one whose entry changed or went away ends. What a person stopped stays so.
func (w *windows) setApps(p profiles.Profile) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wanted := map[string]profiles.App{}
	if p.X11.Enabled {
		for _, spec := range p.X11.Apps {
			wanted[spec.Name] = spec
		}
	}
	before := w.apps
	w.apps = map[string]*app{}
	for name, a := range before {
		if wanted[name] == a.spec {
			w.apps[name] = a
		} else {
			a.cancel()
		}
	}
	for name, spec := range wanted {
		a := w.apps[name]
		if a == nil {
			a = w.newApp(spec)
			w.apps[name] = a
		}
		if old := before[name]; old != nil && old.wasStopped {
			a.stop()
		}
		w.keep(a)
	}
}

// keep begins a program that is always kept. The caller holds the lock.
func (w *windows) keep(a *app) {
	if a.spec.Start != profiles.Always || a.wasStopped || w.closed || w.tunnel.isLent() || !a.setKept() {
		return
	}
	w.work.Go(a.serve)
}

// upApps begins those that a person stopped one by one.
func (w *windows) upApps() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, a := range w.apps {
		if a.wasStopped {
			w.apps[name] = w.newApp(a.spec)
			w.keep(w.apps[name])
		}
	}
}

// live returns a program that was not stopped: anew where it was.
func (w *windows) live(name string) *app {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.apps[name]
	if a != nil && a.wasStopped {
		a = w.newApp(a.spec)
		w.apps[name] = a
		w.keep(a)
	}
	return a
}

// stopApp ends all that runs of a program, until somebody starts it again.
func (w *windows) stopApp(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.apps[name]; a != nil {
		a.stop()
	}
}

// endApps ends all that runs.
func (w *windows) endApps() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.apps {
		a.cancel()
	}
}

// startApp begins a program unless it runs, and does not wait for it.
func (w *windows) startApp(ctx context.Context, name string) {
	a := w.live(name)
	switch {
	case a == nil:
	case a.spec.Start == profiles.Always:
		a.prod()
	case !a.isRunning():
		w.spawn(func() { a.launch(ctx, control.X11Request{}, make(chan error, 1)) })
	}
}

// launch begins a program, once more if it runs, and returns when it runs or
// cannot. It goes on when ctx has ended, which is the asking command's.
func (w *windows) launch(ctx context.Context, name string, r control.X11Request) error {
	a := w.live(name)
	if a == nil {
		return control.ErrStopping
	}
	begun := make(chan error, 1)
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if !w.spawn(func() { defer cancel(); a.launch(run, r, begun) }) {
		cancel()
		return control.ErrStopping
	}
	select {
	case err := <-begun:
		return err
	case <-ctx.Done():
		cancel()
		return context.Cause(ctx)
	}
}

// launch runs the program once; begun hears that it runs, or why it does not.
func (a *app) launch(ctx context.Context, r control.X11Request, begun chan<- error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(a.ctx, cancel)()
	told := false
	tell := func(err error) {
		if !told {
			told = true
			begun <- err
		}
	}
	err := guarded(ctx, func(ctx context.Context) error {
		return a.run(ctx, r, func() { tell(nil) })
	})
	tell(err)
	a.windows.tunnel.afterPanic("", err)
}

// serve keeps the program until it is stopped.
func (a *app) serve() {
	for a.ctx.Err() == nil {
		a.windows.tunnel.afterPanic("", guarded(a.ctx, a.keep))
	}
}

// prodApps has those that are kept try at once, and the display at the server.
func (w *windows) prodApps() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.apps {
		a.prod()
	}
	if w.remote != nil {
		w.remote.prod()
	}
}

// stop ends the program; the lock of windows is held.
func (a *app) stop() {
	a.wasStopped = true
	a.cancel()
}

// setKept reports whether the program was not kept before.
func (a *app) setKept() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept {
		return false
	}
	a.kept, a.since = true, a.now()
	return true
}

func (a *app) isRunning() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.running > 0
}

// findApp returns a profile that may run, with one of its programs.
func (s *Supervisor) findApp(profile, app string) (profiles.Profile, error) {
	p, err := s.find(profile, "")
	if err != nil {
		return p, err
	}
	for _, a := range p.X11.Apps {
		if a.Name == app {
			return p, nil
		}
	}
	return p, fault.New(fault.UnknownProfile, "", "%s has no program %q", profile, app).
		WithHint("tunneld status %s lists them, [[x11.app]] in its file adds one", profile)
}
