package daemon

import (
	"errors"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/forward"
	"tunneld/identity"
	"tunneld/link"
	"tunneld/profiles"
)

// Status returns the status document: what was observed, not what was asked for.
func (s *Supervisor) Status() control.Status {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	doc := control.Status{
		Version: s.Version, Since: s.since, Config: s.Loader.Dir,
		Problems: wireProblems(s.problems), Profiles: []control.Profile{},
	}
	for p := range s.set.All() {
		t := s.tunnels[p.Name]
		if t != nil && t.isLent() && t.link.Status().State == link.Idle {
			t = nil // nobody needs it: it waits for a person again
		}
		entry := profileStatus(p, t)
		entry.StoppedBy = s.stoppedBy(p, t)
		for i := range entry.Forwards {
			entry.Forwards[i].StoppedBy = s.stopper(p.Name, entry.Forwards[i].Name)
		}
		entry.RunningVersion = string(s.set.Version(p.Name))
		doc.Profiles = append(doc.Profiles, entry)
	}
	return doc
}

// disabled is the state of a profile or forward whose file says enabled = false.
const disabled = "disabled"

// stoppedBy says who keeps a profile from running, or nil.
func (s *Supervisor) stoppedBy(p profiles.Profile, t *tunnel) *string {
	if by := s.stopper(p.Name, ""); by != nil {
		return by
	}
	if t == nil && p.Enabled && p.Start == profiles.Manual {
		manual := "manual"
		return &manual
	}
	return nil
}

// stopper is who stopped a profile or, where one is named, a forward of it; nil
// where nobody did.
func (s *Supervisor) stopper(profile, forward string) *string {
	if !s.wishes.isDown(profile, forward) {
		return nil
	}
	user := "user"
	return &user
}

// profileStatus describes a profile; t is nil where it does not run.
func profileStatus(p profiles.Profile, t *tunnel) control.Profile {
	out := control.Profile{Name: p.Name, Start: p.Start, State: string(link.Down), Server: serverName(p), Forwards: []control.Forward{}}
	if !p.Enabled {
		out.State = disabled
	}
	out.X11 = x11Status(p)
	var forwards map[string]*running
	if t != nil {
		observeLink(&out, t.link.Status())
		out.Warnings = t.link.Target().Warnings()
		out.Sessions = t.sessions.count()
		out.X11 = t.windows.status(p)
		t.mu.Lock()
		forwards = t.forwards
		defer t.mu.Unlock()
	}
	for _, spec := range p.Forwards {
		f := control.Forward{Name: spec.Name, Kind: string(spec.Kind), Listen: spec.Listen.String(), Target: spec.Target.String(), Bound: []string{}, State: string(forward.Stopped)}
		if !spec.Enabled {
			f.State = disabled
		}
		if r := forwards[spec.Name]; r != nil {
			observeForward(&f, p.Name, spec.Kind, r.Forward)
			f.Probe = r.prober.status(p.Name)
		}
		out.Forwards = append(out.Forwards, f)
	}
	return out
}

func observeLink(out *control.Profile, s link.Status) {
	out.State, out.Since = string(s.State), moment(s.Since)
	out.RetryAt, out.Reconnects = moment(s.RetryAt), s.Reconnects
	out.Error = wireError(out.Name, s.Err, s.Since)
	if !s.LastDown.From.IsZero() {
		out.LastDown = &control.Outage{From: s.LastDown.From, To: moment(s.LastDown.To)}
		if e := wireError(out.Name, s.LastDown.Err, s.LastDown.From); e != nil {
			out.LastDown.Code, out.LastDown.Message = e.Code, e.Message
		}
	}
	if s.State != link.Up {
		return
	}
	out.HostKey, out.ServerVersion = s.Peer.HostKey.Fingerprint, s.Peer.Version
	out.Cipher, out.KeyExchange, out.Auth = s.Peer.Cipher, s.Peer.KeyExchange, s.Peer.Login.Method
	if s.RTT > 0 {
		ms := float64(s.RTT.Microseconds()) / 1000
		out.RTT = &ms
	}
}

func observeForward(out *control.Forward, profile string, kind profiles.Kind, f *forward.Forward) {
	status, stats := f.Status(), f.Stats()
	out.State, out.Since = string(status.State), moment(status.Since)
	for _, a := range status.Bound {
		out.Bound = append(out.Bound, a.String())
	}
	out.Error = wireError(profile, status.Err, status.Since)
	out.Active, out.Total, out.Failed = stats.Active, stats.Total, stats.Failed
	out.Failures = stats.Failures
	out.BytesToServer, out.BytesFromServer = towards(kind, stats)
	out.RateToServer, out.RateFromServer = stats.ToTargetRate, stats.ToOriginRate
	if kind == profiles.Remote { // its clients are on the server's side
		out.RateToServer, out.RateFromServer = stats.ToOriginRate, stats.ToTargetRate
	}
}

func wireError(profile string, err error, at time.Time) *control.Error {
	if err == nil {
		return nil
	}
	out := &control.Error{Message: err.Error(), At: at}
	if f := fault.As(err); f != nil {
		out.Code, out.Step, out.Message, out.Hint = f.Code, f.Step, f.Message, hintFor(profile, err)
	}
	return out
}

// hinted is a profile's err with its hint as a line that can be typed.
func hinted(profile string, err error) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	return f.WithHint("%s", hintFor(profile, err))
}

// hintFor is what to do about a profile's err, as a line that can be typed.
func hintFor(profile string, err error) string {
	hint := strings.ReplaceAll(fault.HintOf(err), "PROFILE", profile)
	if u := new(identity.Unknown); errors.As(err, &u) {
		hint = strings.ReplaceAll(hint, "SHA256:...", ssh.FingerprintSHA256(u.Key))
	}
	return hint
}

// moment is nil for no time at all.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func wireProblems(problems []profiles.Problem) []control.Problem {
	out := []control.Problem{}
	for _, p := range problems {
		out = append(out, control.Problem{File: p.File, Line: p.Line, Column: p.Column, Key: p.Key, Message: p.Message, Hint: p.Hint, Warning: p.Warning})
	}
	return out
}

func reloadResult(changes []profiles.Change, problems []profiles.Problem) control.ReloadResult {
	out := control.ReloadResult{Changes: []control.Change{}, Problems: wireProblems(problems)}
	for _, c := range changes {
		out.Changes = append(out.Changes, wireChange(c))
	}
	return out
}

func wireChange(c profiles.Change) control.Change {
	return control.Change{Verb: string(c.Verb), Profile: c.Profile, Forward: c.Forward}
}
