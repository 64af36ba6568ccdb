package daemon

import (
	"context"
	"errors"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/link"
	"tunneld/profiles"
)

var _ control.Daemon = (*Supervisor)(nil)

// Open reads the profiles and starts none of them: for a command that works
// without a daemon. Instead of Serve.
func (s *Supervisor) Open() []control.Problem {
	s.init()
	set, problems, err := s.read()
	if err != nil {
		return []control.Problem{{Message: err.Error()}}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set, s.problems = set, problems
	return wireProblems(problems)
}

// OpenFile is Open for the profile in one file, which may be anywhere.
func (s *Supervisor) OpenFile(path string) []control.Problem {
	s.init()
	set, problems := s.Loader.LoadFile(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set, s.problems = set, problems
	return wireProblems(problems)
}

// Trace makes a fresh connection as the profile says, tells every step of it,
// and closes the connection. What runs is not touched.
func (s *Supervisor) Trace(ctx context.Context, profile string, opts control.TraceOptions, tell func(control.Event)) error {
	t, err := s.fresh(ctx, profile)
	if err != nil {
		return err
	}
	defer t.end()
	var trials []link.Trial
	for _, f := range t.profile.Forwards {
		if trial, why := trialOf(f); opts.Forwards && why == "" {
			trials = append(trials, trial)
		}
	}
	t.link.Events = func(e link.Event) { tell(linkEvent(profile, e)) }
	failures, err := t.link.Trace(ctx, trials...)
	return hinted(profile, errors.Join(append(failures, err)...))
}

// freshLink is a link of a profile's beside the one that runs.
type freshLink struct {
	profile profiles.Profile
	link    *link.Link
	end     func()
}

// fresh returns a link for one connection; the caller ends it.
func (s *Supervisor) fresh(ctx context.Context, profile string) (freshLink, error) {
	s.init()
	s.mu.Lock()
	p, found := s.set.Profile(profile)
	s.mu.Unlock()
	if !found {
		return freshLink{}, fault.New(fault.UnknownProfile, "", "there is no profile %q", profile)
	}
	t := newTunnel(ctx, p, s.house())
	end := t.cancel
	if live := s.tunnel(profile); live != nil {
		t.memories = live.remembered() // but not its desk: nobody attends a trace
	} else {
		end = func() { t.cancel(); t.forget() }
	}
	l := link.New(t.linkTarget(p))
	l.Admit = s.traces.enter
	return freshLink{p, l, end}, nil
}

// trialOf is what is asked of the server for a forward, or why nothing is.
func trialOf(f profiles.Forward) (t link.Trial, why string) {
	switch {
	case !f.Enabled:
		return t, "disabled"
	case f.Kind == profiles.Dynamic:
		return t, "each client says where to connect"
	case f.Kind == profiles.Local:
		return link.Trial{Host: f.Target.Host, Port: f.Target.Port, Path: f.Target.Path}, ""
	case f.Listen.Network == profiles.Unix:
		return t, "the trial would leave its socket behind on the server"
	default:
		return link.Trial{Listen: true, Host: f.Listen.Host, Port: f.Listen.Port}, ""
	}
}
