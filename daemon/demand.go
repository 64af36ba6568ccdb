package daemon

import (
	"context"
	"time"

	"tunneld/link"
	"tunneld/profiles"
)

// idleTime is how long the link of p may be unused; 0 means that it is always
// up. A lent one is there for others alone.
func idleTime(p profiles.Profile, lent bool) time.Duration {
	if lent || p.Start == profiles.OnDemand {
		return p.IdleTimeout
	}
	return 0
}

// lend returns the link of a profile for the way of another, or nil. A manual
// profile that does not run is started without its forwards for that.
func (s *Supervisor) lend(ctx context.Context, profile string) *link.Link {
	if t := s.tunnel(profile); t != nil {
		return t.link
	}
	if !s.isServed() { // a trace without a daemon
		return nil
	}
	_ = s.ask(ctx, func(running context.Context) error { // its error is that nothing was started
		p, err := s.find(profile, "")
		if err == nil && s.tunnel(profile) == nil && !s.wishes.isDown(profile, "") {
			s.add(running, p, true)
		}
		return nil
	})
	if t := s.tunnel(profile); t != nil {
		return t.link
	}
	return nil
}

// start runs a profile with its forwards: anew, or one that was only lent.
func (s *Supervisor) start(ctx context.Context, p profiles.Profile) *tunnel {
	t := s.tunnel(p.Name)
	if t == nil {
		t = s.add(ctx, p, false)
	}
	t.setLent(false)
	for _, f := range p.Forwards {
		if f.Enabled && !t.isRunning(f.Name) && !s.wishes.isDown(p.Name, f.Name) {
			t.startForward(p, f.Name)
		}
	}
	t.windows.setApps(p)
	t.windows.setRemote(p)
	return t
}

// add makes a tunnel and starts its link.
func (s *Supervisor) add(ctx context.Context, p profiles.Profile, lent bool) *tunnel {
	t := newTunnel(ctx, p, s.house())
	s.mu.Lock()
	s.tunnels[p.Name] = t
	s.mu.Unlock()
	t.setLent(lent)
	t.start()
	return t
}

// update gives a profile a new version that touches nothing that runs, but may
// say anew when it does.
func (s *Supervisor) update(ctx context.Context, p profiles.Profile) {
	t := s.tunnel(p.Name)
	runs := t != nil && !t.isLent()
	switch {
	case runs && p.Start == profiles.Manual: // it goes on as if a person had started it
		s.wishes.setUp(p.Name)
	case !runs && p.Start != profiles.Manual && !s.wishes.isDown(p.Name, ""): // it was manual until now
		t = s.start(ctx, p)
	}
	if t != nil {
		t.update(p)
	}
}

func (s *Supervisor) setServed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served = true
}

func (s *Supervisor) isServed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served
}

// setLent says whether the tunnel runs for others alone.
func (t *tunnel) setLent(lent bool) {
	t.mu.Lock()
	t.lent = lent
	idle := idleTime(t.profile, lent)
	t.mu.Unlock()
	t.link.OnDemand(idle)
}

func (t *tunnel) isLent() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lent
}
