package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"tunneld/control"
)

// printTable writes the status as people read it: one line a profile, one a
// forward, and the reason and hint under the row they belong to.
func printTable(w io.Writer, s control.Status, now time.Time) {
	rows := [][]string{{"NAME", "STATE", "SINCE", "ROUTE", "OPEN"}}
	notes := map[int][]string{}
	for _, p := range s.Profiles {
		rows = append(rows, profileRow(p, now))
		note(notes, len(rows)-1, p.Error, p.RetryAt, "")
		for _, f := range p.Forwards {
			rows = append(rows, forwardRow(f, now))
			note(notes, len(rows)-1, f.Error, nil, "  ")
		}
	}
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for n, r := range rows {
		var line strings.Builder
		for i, cell := range r {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i == len(r)-1 { // numbers stand to the right
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad + "  ")
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
		for _, text := range notes[n] {
			fmt.Fprintln(w, text)
		}
	}
}

func profileRow(p control.Profile, now time.Time) []string {
	route := p.Server
	if p.RTT != nil {
		route += fmt.Sprintf("  %.3g ms", *p.RTT)
	}
	return []string{p.Name, p.State, since(p.Since, now), route, ""}
}

func forwardRow(f control.Forward, now time.Time) []string {
	from := f.Listen
	if f.Kind == "remote" && len(f.Bound) > 0 {
		from = f.Bound[0] // the port that the server picked
	}
	route := from + " → " + f.Target
	if f.Kind == "remote" {
		route = f.Target + " ← " + from
	}
	return []string{"  " + f.Name, f.State, since(f.Since, now), route, fmt.Sprint(f.Active)}
}

// note adds the reason of a failure, when it is tried again, and the hint.
func note(notes map[int][]string, row int, e *control.Error, retryAt *time.Time, indent string) {
	if e == nil {
		return
	}
	text := indent + "        " + e.Message
	if e.Code != "" {
		text = indent + "        " + string(e.Code) + ": " + e.Message
	}
	if retryAt != nil {
		text += ", next try " + retryAt.Local().Format(time.TimeOnly)
	}
	notes[row] = append(notes[row], text)
	if e.Hint != "" {
		notes[row] = append(notes[row], indent+"        hint: "+e.Hint)
	}
}

// since is a short span of time: 9s, 12m, 2h13m, 3d4h.
func since(t *time.Time, now time.Time) string {
	if t == nil {
		return "-"
	}
	d := now.Sub(*t)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}
