package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"

	"tunneld/control"
)

// noteIndent stands before what belongs to the row above.
const noteIndent = "        "

// slowest is the rate, in bytes per second, that is worth a word.
const slowest = 0.5

// narrowest is the least room, in cells, that a name or a route is given.
const narrowest = 16

// table writes the status as people read it: one line a profile, one a forward,
// and the reason and hint under the row they belong to.
type table struct {
	out   io.Writer
	width int  // of the terminal; 0 elsewhere: nothing is cut or wrapped
	color bool // the terminal has colours
}

// row is a line of the table with what stands under it.
type row struct {
	cells [5]string
	paint string // of the state
	notes []string
}

// The colours, as ANSI has them.
const (
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// printTable writes s for whoever reads w.
func printTable(w io.Writer, s control.Status, now time.Time) { tableFor(w).print(s, now) }

// tableFor finds out what w can show.
func tableFor(w io.Writer) table {
	t := table{out: w}
	fd, ok := terminalOf(w)
	if !ok {
		return t
	}
	t.width = 80
	if width, _, err := term.GetSize(fd); err == nil && width > 0 {
		t.width = width
	}
	// A Windows console shows colours where Windows Terminal hosts it.
	able := runtime.GOOS != "windows" || os.Getenv("WT_SESSION") != ""
	t.color = able && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return t
}

func (t table) print(s control.Status, now time.Time) {
	rows := []row{{cells: [5]string{"NAME", "STATE", "SINCE", "ROUTE", "OPEN"}}}
	for _, p := range s.Profiles {
		rows = append(rows, profileRow(p, now))
		for _, f := range p.Forwards {
			r := forwardRow(p.Name, f, now)
			if text := traffic(f); text != "" {
				r.notes = append([]string{text}, r.notes...)
			}
			rows = append(rows, r)
		}
		rows = append(rows, x11Rows(p, now)...)
	}
	switch {
	case len(s.Profiles) > 0:
		t.rows(rows)
	case len(s.Problems) == 0: // they speak for themselves
		fmt.Fprintf(t.out, "no profiles run from %s\n", s.Config)
	}
	for _, p := range s.Problems {
		t.note("", problemLine(p))
		if p.Hint != "" {
			t.note(noteIndent, "hint: "+p.Hint)
		}
	}
}

// rows writes the lines, each column as wide as it must be.
func (t table) rows(rows []row) {
	var width [5]int
	for _, r := range rows {
		for i, cell := range r.cells {
			width[i] = max(width[i], ansi.StringWidth(cell))
		}
	}
	if t.width > 0 { // the route gives way, then the names
		rest := t.width - width[1] - width[2] - width[4] - 4*gap
		width[0] = min(width[0], max(narrowest, rest-narrowest))
		width[3] = min(width[3], max(narrowest, rest-width[0]))
	}
	for _, r := range rows {
		t.row(r, width)
	}
}

// row writes a line and its notes. A route with no number after it has that
// room too, and stands below where it is cut all the same: it says who stopped
// the profile, or when it is tried again.
func (t table) row(r row, width [5]int) {
	if r.cells[4] == "" {
		width[3], width[4] = width[3]+gap+width[4], 0
		if ansi.StringWidth(r.cells[3]) > width[3] {
			r.notes = append([]string{r.cells[3]}, r.notes...)
		}
	}
	line := strings.Join([]string{
		cell(r.cells[0], width[0]), t.painted(r.paint, pad(r.cells[1], width[1])), pad(r.cells[2], width[2]),
		cell(r.cells[3], width[3]), alignRight(r.cells[4], width[4]),
	}, strings.Repeat(" ", gap))
	fmt.Fprintln(t.out, strings.TrimRight(line, " "))
	for _, text := range r.notes {
		t.note(noteIndent, text)
	}
}

// note writes text under a row, in as many lines as the terminal needs.
func (t table) note(indent, text string) {
	line := indent
	for i, word := range strings.Fields(text) {
		switch n := ansi.StringWidth(line) + 1 + ansi.StringWidth(word); {
		case i == 0:
			line += word
		case t.width > 0 && n > t.width:
			fmt.Fprintln(t.out, line)
			line = noteIndent + word
		default:
			line += " " + word
		}
	}
	fmt.Fprintln(t.out, line)
}

func (t table) painted(color, text string) string {
	if !t.color || color == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// stopWords say who has a profile down.
var stopWords = map[string]string{"user": "stopped, ", "manual": "manual, "}

func profileRow(p control.Profile, now time.Time) row {
	route := p.Server
	if p.RTT != nil {
		route += "  " + latency(*p.RTT)
	}
	if by := p.StoppedBy; by != nil {
		route = stopWords[*by] + "until tunneld up " + p.Name
	}
	r := row{paint: stateColor(p.State)}
	if e := p.Error; e != nil {
		route = or(string(e.Code), "failed")
		if p.RetryAt != nil {
			route += ", next try " + until(*p.RetryAt, now)
		}
		r.notes = notes(e.Message, e.Hint)
	}
	if p.RunningVersion == "last_good" {
		r.notes = append(r.notes, "the file has problems: the last good version runs")
	}
	for _, w := range p.Warnings {
		r.notes = append(r.notes, "warning: "+w)
	}
	r.cells = [5]string{p.Name, p.State, since(p.Since, now), route, ""}
	return r
}

func forwardRow(profile string, f control.Forward, now time.Time) row {
	from := f.Listen
	if strings.HasSuffix(from, ":0") && len(f.Bound) > 0 {
		from = f.Bound[0] // the port that the server picked
	}
	route := from
	switch {
	case f.Kind == "remote":
		route = f.Target + " ← " + from
	case f.Target != "":
		route = from + " → " + f.Target
	}
	r := row{cells: [5]string{"  " + f.Name, f.State, since(f.Since, now), route, fmt.Sprint(f.Active)}, paint: stateColor(f.State)}
	if by := f.StoppedBy; by != nil {
		r.notes = []string{stopWords[*by] + "until tunneld up " + profile + "/" + f.Name}
	}
	if e := f.Error; e != nil {
		r.notes = append(r.notes, errorNotes(e)...)
	}
	if p := f.Probe; p != nil && p.Error != nil {
		r.notes = append(r.notes, notes(string(p.Error.Code)+": "+p.Error.Message, p.Error.Hint)...)
	}
	if f.Failed > 0 {
		r.notes = append(r.notes, failures(f))
	}
	return r
}

// traffic is what flows through f now, or "".
func traffic(f control.Forward) string {
	var flows []string
	if f.RateToServer >= slowest {
		flows = append(flows, rate(f.RateToServer)+" to the server")
	}
	if f.RateFromServer >= slowest {
		flows = append(flows, rate(f.RateFromServer)+" from the server")
	}
	return strings.Join(flows, ", ")
}

// rate is bytes per second in two or three digits, in decimal units as
// networks are measured: 999 B/s, 1.2 MB/s, 34 GB/s.
func rate(perSecond float64) string {
	units := []string{"B/s", "kB/s", "MB/s", "GB/s"}
	for len(units) > 1 && perSecond >= 999.5 {
		perSecond /= 1000
		units = units[1:]
	}
	digits := 0
	if perSecond < 9.95 && units[0] != "B/s" {
		digits = 1
	}
	return fmt.Sprintf("%.*f %s", digits, perSecond, units[0])
}

// latency is a round trip in three digits: 0.25 ms, 12.4 ms, 1.2 s.
func latency(ms float64) string {
	if ms >= 999.5 {
		return fmt.Sprintf("%.1f s", ms/1000)
	}
	return fmt.Sprintf("%.3g ms", ms)
}

// failures counts the connections that could not be relayed, by code.
func failures(f control.Forward) string {
	text := fmt.Sprintf("%s failed", count(int(f.Failed), "connection"))
	var kinds []string
	for _, code := range slices.Sorted(maps.Keys(f.Failures)) {
		kinds = append(kinds, fmt.Sprintf("%s %d", code, f.Failures[code]))
	}
	if len(kinds) > 0 {
		text += ": " + strings.Join(kinds, ", ")
	}
	return text
}

// notes are the lines of a failure.
func notes(message, hint string) []string {
	if hint == "" {
		return []string{message}
	}
	return []string{message, "hint: " + hint}
}

// problemLine is where a problem is and what.
func problemLine(p control.Problem) string {
	where := p.File
	if p.Line > 0 {
		where += fmt.Sprintf(":%d:%d", p.Line, p.Column)
	}
	if p.Key != "" {
		where += ": " + p.Key
	}
	return where + ": " + p.Message
}

func stateColor(state string) string {
	switch state {
	case "up", "listening", "running", "ready":
		return green
	case "connecting", "waiting", "retrying":
		return yellow
	case "blocked", "refused", "error":
		return red
	default:
		return dim
	}
}

// cell is s in a column of that width, cut if need be.
func cell(s string, width int) string { return pad(ansi.Truncate(s, width, "…"), width) }

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-ansi.StringWidth(s)))
}

// until is when something will be: in 9s, at 15:04.
func until(t, now time.Time) string {
	if d := t.Sub(now); d < time.Minute {
		return fmt.Sprintf("in %ds", max(0, int(d.Seconds())))
	}
	return "at " + t.In(now.Location()).Format("15:04")
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
