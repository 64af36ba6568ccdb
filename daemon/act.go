package daemon

import (
	"context"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/profiles"
)

// Act starts, stops or restarts a profile, or one forward of it. What is stopped
// stays so until the next up, or until the daemon's end.
func (s *Supervisor) Act(ctx context.Context, action control.Action, profile, forward string) error {
	return s.ask(ctx, func(running context.Context) error {
		p, err := s.find(profile, forward)
		if err != nil {
			return err
		}
		s.journal.note(control.Event{Kind: "profile", Level: control.Info, Profile: profile, Forward: forward, Message: "a person asked for it", Detail: string(action)})
		if forward == "" {
			s.actProfile(running, action, p)
		} else {
			s.actForward(running, action, p, forward)
		}
		return nil
	})
}

// find returns a profile that may run, with the forward if one is named.
func (s *Supervisor) find(profile, forward string) (profiles.Profile, error) {
	s.mu.Lock()
	p, found := s.set.Profile(profile)
	s.mu.Unlock()
	switch {
	case !found:
		return p, fault.New(fault.UnknownProfile, "", "there is no profile %q", profile)
	case !p.Enabled:
		return p, refuseDisabled(profile)
	case forward == "":
		return p, nil
	}
	for _, f := range p.Forwards {
		switch {
		case f.Name != forward:
		case !f.Enabled:
			return p, refuseDisabled(nameOf(profile, forward))
		default:
			return p, nil
		}
	}
	return p, fault.New(fault.UnknownProfile, "", "%s has no forward %q", profile, forward).
		WithHint("tunneld status %s lists them", profile)
}

func refuseDisabled(name string) error {
	return fault.New(fault.UnknownProfile, "", "%s is disabled", name).WithHint("tunneld enable %s", name)
}

func (s *Supervisor) actProfile(running context.Context, action control.Action, p profiles.Profile) {
	t := s.tunnel(p.Name)
	switch {
	case action == control.Down:
		s.wishes.setDown(p.Name, "")
		awaitAll([]<-chan struct{}{s.stop(p.Name)}, stopTime)
		return
	case t == nil || t.isLent():
		s.wishes.forget(p.Name)
		s.wishes.setUp(p.Name)
		t = s.start(running, p)
	case action == control.Restart:
		t.link.Restart()
	}
	t.link.Connect()
	for _, f := range p.Forwards { // up brings the forwards, too, that were stopped one by one
		if action == control.Up && f.Enabled && s.wishes.isDown(p.Name, f.Name) {
			s.wishes.unsetDown(p.Name, f.Name)
			t.startForward(p, f.Name)
		}
	}
	if action == control.Up {
		t.windows.upApps()
	}
}

func (s *Supervisor) actForward(running context.Context, action control.Action, p profiles.Profile, forward string) {
	t := s.tunnel(p.Name)
	if action != control.Up && t != nil {
		awaitAll([]<-chan struct{}{t.stopForward(forward)}, stopTime)
	}
	if action == control.Down {
		s.wishes.setDown(p.Name, forward)
		return
	}
	s.wishes.unsetDown(p.Name, forward)
	switch {
	case t == nil || t.isLent(): // one forward of a stopped profile: the profile comes with it
		s.wishes.unsetDown(p.Name, "")
		s.wishes.setUp(p.Name)
		t = s.start(running, p)
	case t.isRunning(forward):
		t.again(forward)
	default:
		t.startForward(p, forward)
	}
	if action == control.Up {
		t.link.Connect()
	}
}
