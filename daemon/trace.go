package daemon

import (
	"context"

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

// Trace makes a fresh connection as the profile says, tells every step of it,
// and closes the connection. What runs is not touched.
func (s *Supervisor) Trace(ctx context.Context, profile string, opts control.TraceOptions, tell func(control.Event)) error {
	s.init()
	s.mu.Lock()
	p, found := s.set.Profile(profile)
	s.mu.Unlock()
	if !found {
		return fault.New(fault.UnknownProfile, "", "there is no profile %q", profile)
	}
	t := newTunnel(ctx, p, s.house())
	defer t.cancel()
	if live := s.tunnel(profile); live != nil {
		t.memories = live.remembered() // but not its desk: nobody attends a trace
	} else {
		defer t.forget()
	}
	l := link.New(t.linkTarget(p))
	l.Admit = s.traces.enter
	l.Events = func(e link.Event) { tell(linkEvent(profile, e)) }
	err := l.Trace(ctx, trials(p, opts)...)
	if f := fault.As(err); f != nil {
		return f.WithHint("%s", hintFor(profile, err))
	}
	return err
}

// trials are what a trace asks of the server for each forward.
func trials(p profiles.Profile, opts control.TraceOptions) (trials []link.Trial) {
	if !opts.Forwards {
		return nil
	}
	for _, f := range p.Forwards {
		switch {
		case !f.Enabled:
		case f.Kind == profiles.Remote && f.Listen.Network == profiles.Unix: // the trial would leave its file behind
		case f.Kind == profiles.Remote:
			trials = append(trials, link.Trial{Listen: true, Host: f.Listen.Host})
		case f.Kind == profiles.Local:
			trials = append(trials, link.Trial{Host: f.Target.Host, Port: f.Target.Port, Path: f.Target.Path})
		}
	}
	return trials
}
