package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tunneld/control"
)

// displayOrigins say in words who named a display.
var displayOrigins = map[string]string{
	"profile": "as the profile says", "caller": "of the command that asked", "handed": "handed over",
	"environment": "of the daemon", "default": "the usual one",
}

// localDisplay is what the display here is called, beside forwards and programs.
const localDisplay = "x11"

// remoteName is what the display at the server is called: x11:7.
func remoteName(d control.RemoteDisplay) string {
	return localDisplay + d.Display[max(strings.LastIndex(d.Display, ":"), 0):]
}

// x11Rows are the line of a profile's display, where something runs or failed,
// that of its display at the server, and one for each program.
func x11Rows(p control.Profile, now time.Time) (rows []row) {
	x := p.X11
	if displayIsUsed(x) {
		rows = append(rows, displayRow(x))
	}
	if d := x.Remote; d != nil {
		rows = append(rows, remoteRow(*d, now))
	}
	for _, a := range x.Apps {
		rows = append(rows, appRow(a, now))
	}
	return rows
}

// displayIsUsed says whether a program has asked for a window.
func displayIsUsed(x control.X11) bool { return x.State != "off" && x.State != "" }

func displayRow(x control.X11) row {
	route := x.Display
	if x.From != "" {
		route += ", " + displayOrigins[x.From]
	}
	r := row{cells: [5]string{"  " + localDisplay, x.State, "", route, fmt.Sprint(x.Active)}, paint: stateColor(x.State)}
	if e := x.Error; e != nil {
		r.notes = errorNotes(e)
	}
	if x.Refused > 0 {
		r.notes = append(r.notes, refusals(x))
	}
	return r
}

func remoteRow(d control.RemoteDisplay, now time.Time) row {
	r := row{cells: [5]string{"  " + remoteName(d), d.State, since(d.Since, now), d.Display + " at the server", fmt.Sprint(d.Active)}, paint: stateColor(d.State)}
	if d.Error != nil {
		r.notes = errorNotes(d.Error)
	}
	return r
}

// refusals counts the windows that were turned away, by code.
func refusals(x control.X11) string {
	var kinds []string
	for _, code := range slices.Sorted(maps.Keys(x.Refusals)) {
		kinds = append(kinds, fmt.Sprintf("%s %d", code, x.Refusals[code]))
	}
	return count(int(x.Refused), "window") + " refused: " + strings.Join(kinds, ", ")
}

func appRow(a control.App, now time.Time) row {
	r := row{cells: [5]string{"  " + a.Name, a.State, since(a.Since, now), a.Exit, ""}, paint: stateColor(a.State)}
	if a.Running > 0 {
		r.cells[4] = fmt.Sprint(a.Running)
	}
	if a.Error != nil {
		r.notes = errorNotes(a.Error)
	}
	return r
}

// errorNotes are the lines of a failure with its code.
func errorNotes(e *control.Error) []string {
	if e.Code == "" {
		return notes(e.Message, e.Hint)
	}
	return notes(string(e.Code)+": "+e.Message, e.Hint)
}
