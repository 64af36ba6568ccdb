package daemon

import (
	"context"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/link"
	"tunneld/profiles"
)

// askedHold is how long a link that this process makes for one command may take
// to come up: a person may be asked meanwhile. The first failure ends the wait.
const askedHold = 5 * time.Minute

// visit is somebody's use of a profile's tunnel, for something other than its
// forwards.
type visit struct {
	ctx     context.Context
	tunnel  *tunnel
	profile profiles.Profile
	app     string        // the program of the profile that it is for, or ""
	hold    time.Duration // for the link
	leave   func()
}

// visit returns the tunnel of a profile that runs. A manual one is started for
// that without its forwards; without Serve the visit has a tunnel of its own.
func (s *Supervisor) visit(ctx context.Context, profile string) (visit, error) {
	s.init()
	p, err := s.find(profile, "")
	if err != nil {
		return visit{}, err
	}
	if !s.isServed() {
		return s.visitAlone(ctx, p), nil
	}
	s.lend(ctx, profile)
	t := s.tunnel(profile)
	if t == nil {
		return visit{}, fault.New(fault.SessionDenied, fault.Session, "%s is down: somebody stopped it", profile).
			WithHint("tunneld up %s", profile)
	}
	if t.link.Status().State == link.Waiting {
		t.link.Wake() // a person waits, too
	}
	return visit{ctx: ctx, tunnel: t, profile: p, hold: p.Link.ConnectTimeout, leave: func() {}}, nil
}

// visitAlone makes a tunnel that ends with the visit, or when its first
// connection fails.
func (s *Supervisor) visitAlone(ctx context.Context, p profiles.Profile) visit {
	ctx, fail := context.WithCancelCause(ctx)
	t := newTunnel(context.WithoutCancel(ctx), p, s.house())
	t.link.Events = func(e link.Event) {
		t.hear(e)
		if e.State == link.Waiting {
			fail(e.Err)
		}
	}
	t.setLent(true)
	t.start()
	leave := func() {
		awaitAll([]<-chan struct{}{t.stop()}, stopTime)
		fail(nil)
	}
	return visit{ctx: ctx, tunnel: t, profile: p, hold: askedHold, leave: leave}
}

// allowed refuses what shell.enabled = false forbids: sessions and what comes in
// their place.
func (v visit) allowed() error {
	if v.profile.Shell.Enabled {
		return nil
	}
	return fault.New(fault.SessionDenied, fault.Session, "the profile forbids shells, commands, copies and ssh-proxy").
		WithHint("set shell.enabled = true in %s", v.profile.Name)
}

// explain is err with its hint as a line that can be typed.
func (v visit) explain(err error) error {
	if f := fault.As(err); f != nil && f.Code == fault.HoldExpired {
		return f.WithHint("tunneld status %s says why", v.profile.Name)
	}
	return hinted(v.profile.Name, err)
}

var _ control.Daemon = (*Supervisor)(nil)
