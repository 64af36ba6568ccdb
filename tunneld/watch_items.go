package main

import (
	"slices"
	"strings"

	"tunneld/control"
	"tunneld/fault"
)

// item is a profile, forward or program on the live screen.
type item struct {
	target  target
	row     row // as in the table, but clean
	flow    string
	stopped bool // s starts it
	asks    bool // its profile waits for a person
}

// String is how people name t.
func (t target) String() string {
	if t.forward+t.app == "" {
		return t.profile
	}
	return t.profile + "/" + t.forward + t.app
}

// items returns what the screen shows, in its order: what the filter lets
// through, and the profile of each.
func (l *live) items() []item {
	var items []item
	for _, p := range l.status.Profiles {
		var parts []item
		for _, f := range p.Forwards {
			if t := (target{profile: p.Name, forward: f.Name}); l.passes(t) {
				parts = append(parts, item{
					target: t, row: cleanRow(forwardRow(f, l.now)), flow: flow(f),
					stopped: f.State == "stopped", asks: waitsForPerson(p),
				})
			}
		}
		parts = append(parts, l.appItems(p)...)
		if t := (target{profile: p.Name}); len(parts) > 0 || l.passes(t) {
			items = append(items, item{target: t, row: cleanRow(profileRow(p, l.now)), stopped: isStopped(p), asks: waitsForPerson(p)})
		}
		items = append(items, parts...)
	}
	return items
}

// appItems are the programs of a profile that the filter lets through.
func (l *live) appItems(p control.Profile) (items []item) {
	for _, a := range p.X11.Apps {
		if t := (target{profile: p.Name, app: a.Name}); l.passes(t) {
			items = append(items, item{
				target: t, row: cleanRow(appRow(a, l.now)),
				stopped: a.State == "stopped", asks: waitsForPerson(p),
			})
		}
	}
	return items
}

func (l *live) passes(t target) bool {
	return strings.Contains(strings.ToLower(t.String()), strings.ToLower(l.filter))
}

// selected returns which of the items the cursor is on; where that is gone, the
// one that took its place.
func (l *live) selected(items []item) int {
	if at := slices.IndexFunc(items, func(i item) bool { return i.target == l.cursor }); at >= 0 {
		return at
	}
	return max(min(l.place, len(items)-1), 0)
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
