package daemon

import (
	"tunneld/control"
	"tunneld/fault"
	"tunneld/profiles"
)

// move changes the state and tells it. That the link is awaited, the link tells.
func (r *remoteDisplay) move(state string, err error) {
	r.mu.Lock()
	if r.state != state {
		r.since = r.now()
	}
	r.state, r.err = state, err
	r.mu.Unlock()
	switch state {
	case remoteReady:
		r.tell("remote display ready", control.Info, nil)
	case remoteRetrying:
		r.tell("remote display retrying", control.Warn, err)
	}
}

func (r *remoteDisplay) tell(message string, level control.Level, err error) {
	t := r.windows.tunnel
	e := control.Event{Kind: "x11", Level: level, Profile: t.name, Step: fault.X11, Message: message}
	if err == nil {
		e.Detail = remoteName(r.spec.RemoteDisplay)
	}
	t.journal.report(e, err, err == nil, false)
}

// status returns the state, and why it is tried again.
func (r *remoteDisplay) status() (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state, r.err
}

func (r *remoteDisplay) setInstalled(yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.installed = yes
}

func (r *remoteDisplay) isInstalled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.installed
}

// remoteStatus describes the display at the server of a profile that does not
// run, or is nil where it has none.
func remoteStatus(p profiles.X11) *control.RemoteDisplay {
	if !p.Enabled || p.RemoteDisplay == 0 {
		return nil
	}
	return &control.RemoteDisplay{Display: remoteName(p.RemoteDisplay), State: remoteStopped}
}

// observe describes the display, and adds its windows to those of the profile.
func (r *remoteDisplay) observe(profile string, out *control.X11) {
	s := r.forwarder.Stats()
	out.Active, out.Total, out.Refused = out.Active+s.Active, out.Total+s.Total, out.Refused+s.Refused
	for code, n := range s.Refusals {
		if out.Refusals == nil {
			out.Refusals = map[fault.Code]uint64{}
		}
		out.Refusals[code] += n
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	out.Remote = &control.RemoteDisplay{
		Display: remoteName(r.spec.RemoteDisplay), State: r.state, Since: moment(r.since),
		Active: s.Active, Error: wireError(profile, r.err, r.since),
	}
}
