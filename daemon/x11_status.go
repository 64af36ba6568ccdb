package daemon

import (
	"tunneld/control"
	"tunneld/fault"
	"tunneld/profiles"
)

// The states of a profile's X11.
const (
	x11Off   = "off"
	x11Ready = "ready"
	x11Error = "error"
)

// x11Status describes a profile that does not run.
func x11Status(p profiles.Profile) control.X11 {
	out := control.X11{Trusted: p.X11.Trusted, State: x11Off, Apps: []control.App{}, Remote: remoteStatus(p.X11)}
	for _, spec := range p.X11.Apps {
		out.Apps = append(out.Apps, control.App{Name: spec.Name, Start: spec.Start, State: appStopped})
	}
	return out
}

// status describes what shows, and what would.
func (w *windows) status(p profiles.Profile) control.X11 {
	out := x11Status(p)
	if !p.X11.Enabled {
		return out
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if at, err := w.seatNow(p); err == nil {
		out.Display, out.From = at.display.String(), at.from
	}
	if !w.lastAt.IsZero() {
		out.State = x11Ready
	}
	if out.Error = wireError(p.Name, w.lastErr, w.lastAt); out.Error != nil {
		out.State = x11Error
	}
	if w.forwarder != nil {
		s := w.forwarder.Stats()
		out.Active, out.Total, out.Refused, out.Refusals = s.Active, s.Total, s.Refused, s.Refusals
	}
	if w.remote != nil {
		w.remote.observe(p.Name, &out)
	}
	for i := range out.Apps {
		if a := w.apps[out.Apps[i].Name]; a != nil {
			a.observe(p.Name, &out.Apps[i])
		}
	}
	return out
}

// seatNow is where the latest session's windows go, else where the next one's
// would.
func (w *windows) seatNow(p profiles.Profile) (seat, error) {
	if n := len(w.shown); n > 0 {
		return w.shown[n-1].seat, nil
	}
	return w.tunnel.house.seats.choose(p.X11, nil)
}

// displayCame is called when somebody handed a display over.
func (w *windows) displayCame() {
	w.mu.Lock()
	if fault.CodeOf(w.lastErr) == fault.X11NoDisplay {
		w.lastErr = nil
	}
	if w.remote != nil {
		w.remote.stale.Store(true)
	}
	w.mu.Unlock()
	w.prodApps()
}
