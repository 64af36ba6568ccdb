package main

import (
	"slices"
	"strings"

	"tunneld/control"
	"tunneld/fault"
)

// place is what a line of the live screen is about: a profile, something of it
// that can be started and stopped, or one of its displays, which cannot.
type place struct {
	target
	display string
}

// String is how the line is found.
func (p place) String() string {
	if p.display != "" {
		return p.profile + "/" + p.display
	}
	return p.target.String()
}

// item is a line of the live screen, with what stands under it.
type item struct {
	place   place
	row     row // as in the table, but clean
	flow    string
	stopped bool // s starts it
	asks    bool // its profile waits for a person
}

// items returns what the screen shows, in its order: what the filter lets
// through, and the profile of each.
func (l *live) items() []item {
	var items []item
	for _, p := range l.status.Profiles {
		parts := slices.DeleteFunc(l.parts(p), func(i item) bool { return !l.passes(i.place) })
		whole := item{place: place{target: target{profile: p.Name}}, row: profileRow(p, l.now), stopped: isStopped(p)}
		if len(parts) > 0 || l.passes(whole.place) {
			parts = slices.Insert(parts, 0, whole)
		}
		for i := range parts {
			parts[i].row, parts[i].asks = cleanRow(parts[i].row), waitsForPerson(p)
		}
		items = append(items, parts...)
	}
	return items
}

// parts are the forwards, displays and programs of p.
func (l *live) parts(p control.Profile) (parts []item) {
	for _, f := range p.Forwards {
		at := place{target: target{profile: p.Name, forward: f.Name}}
		parts = append(parts, item{place: at, row: forwardRow(p.Name, f, l.now), flow: flow(f), stopped: f.State == "stopped" || f.State == "disabled"})
	}
	if displayIsUsed(p.X11) {
		at := place{target{profile: p.Name}, localDisplay}
		parts = append(parts, item{place: at, row: displayRow(p.X11)})
	}
	if d := p.X11.Remote; d != nil {
		at := place{target{profile: p.Name}, remoteName(*d)}
		parts = append(parts, item{place: at, row: remoteRow(*d, l.now)})
	}
	for _, a := range p.X11.Apps {
		at := place{target: target{profile: p.Name, app: a.Name}}
		parts = append(parts, item{place: at, row: appRow(a, l.now), stopped: a.State == "stopped"})
	}
	return parts
}

func (l *live) passes(p place) bool {
	return strings.Contains(strings.ToLower(p.String()), strings.ToLower(l.filter))
}

// selected returns which of the items the cursor is on; where that is gone, the
// one that took its place.
func (l *live) selected(items []item) int {
	if at := slices.IndexFunc(items, func(i item) bool { return i.place == l.cursor }); at >= 0 {
		return at
	}
	return max(min(l.at, len(items)-1), 0)
}

func isStopped(p control.Profile) bool { return p.State == "down" || p.State == "disabled" }

// waitsForPerson says whether there may be a question: a refused link has one
// about a host key that changed.
func waitsForPerson(p control.Profile) bool { return p.State == "blocked" || p.State == "refused" }

// cleanRow makes what a peer may have written in r harmless.
func cleanRow(r row) row {
	for i, cell := range r.cells {
		indent := cell[:len(cell)-len(strings.TrimLeft(cell, " "))]
		r.cells[i] = indent + fault.Clean(cell)
	}
	for i, text := range r.notes {
		r.notes[i] = fault.Clean(text)
	}
	return r
}

// flow is what passes f now, to the server and from it.
func flow(f control.Forward) string {
	cell := func(perSecond float64) string {
		if perSecond < slowest {
			return ""
		}
		return rate(perSecond)
	}
	return flowCells(cell(f.RateToServer), cell(f.RateFromServer))
}
