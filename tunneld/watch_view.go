package main

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"tunneld/fault"
)

// reverse marks the line of the cursor, as ANSI has it.
const reverse = "7"

// paint colours text; where there are no colours, the renderer drops them.
var paint = table{color: true}.painted

// View implements tea.Model.
func (l *live) View() tea.View {
	lines := l.lines()
	v := tea.NewView(strings.Join(lines, "\n"))
	v.AltScreen = true
	if l.typing {
		v.Cursor = tea.NewCursor(ansi.StringWidth("/"+l.filter), l.height-1)
	}
	return v
}

// lines are the whole screen: what runs, what happened, and the last line.
func (l *live) lines() []string {
	if l.width < 1 || l.height < 1 {
		return nil // the size is not known yet
	}
	items, news := l.items(), l.news()
	room := l.height - len(news) - 1
	lines := l.body(items, room)
	for len(lines) < room {
		lines = append(lines, "")
	}
	lines = append(append(lines, news...), l.footer(items))
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, l.width, "…")
	}
	return lines[len(lines)-l.height:]
}

// body is the upper part, in room lines at most.
func (l *live) body(items []item, room int) []string {
	var head []string
	if l.away != nil {
		head = append(head, paint(red, l.absence()))
	}
	switch {
	case l.help:
		return append(head, helpLines()...)[:min(len(head)+len(keyHelp), max(room, 0))]
	case l.looked.IsZero():
		return append(head, "")
	case len(items) > 0:
		c := l.columns(items)
		head = append(head, "  "+c.line(c.titles()))
		at := l.selected(items)
		blocks := make([][]string, len(items))
		for i, item := range items {
			blocks[i] = l.block(c, item, i == at)
		}
		return append(head, window(append(blocks, l.problems()), at, room-len(head))...)
	case l.filter != "":
		head = append(head, fmt.Sprintf("no name has %q in it", l.filter))
	default:
		head = append(head, "no profiles run from "+fault.Clean(l.status.Config))
	}
	return append(head, window([][]string{l.problems()}, 0, room-len(head))...)
}

// absence says that the daemon is away, and since when.
func (l *live) absence() string {
	text := "the daemon is away"
	if fault.CodeOf(l.away) != fault.DaemonNotRunning {
		text = failure(l.away)
	}
	if l.looked.IsZero() {
		return text
	}
	return text + "; this was true at " + l.looked.Format("15:04:05")
}

// block is an item with what stands below it: a line each, or where the
// cursor is all of it, with a route that is cut above.
func (l *live) block(c columns, i item, chosen bool) []string {
	if !chosen && l.away == nil {
		c[stateColumn].paint = i.row.paint
	}
	cells := c.cells(i, l.traffic.spark(i.place.target, c[minuteColumn].width))
	c = c.spilled(cells)
	line := c.line(cells)
	switch {
	case chosen:
		line = paint(reverse, "> "+line)
	case l.away != nil:
		line = paint(dim, "  "+line)
	default:
		line = "  " + line
	}
	block := []string{line}
	if route := i.row.cells[routeColumn]; chosen && ansi.StringWidth(route) > c[routeColumn].width {
		block = append(block, l.note(route, true)...)
	}
	for _, text := range i.row.notes {
		block = append(block, l.note(text, chosen)...)
	}
	return block
}

// note is text below a row, whole or as much as fits a line.
func (l *live) note(text string, whole bool) []string {
	indent := noteIndent[:min(len(noteIndent), l.width/10)]
	if !whole {
		return []string{indent + text}
	}
	lines := strings.Split(ansi.Wrap(text, max(l.width-len(indent), 1), ""), "\n")
	for i, line := range lines {
		lines[i] = indent + line
	}
	return lines
}

// problems are the mistakes in files.
func (l *live) problems() (lines []string) {
	for _, p := range l.status.Problems {
		lines = append(lines, paint(red, fault.Clean(problemLine(p))))
		if p.Hint != "" {
			lines = append(lines, l.note("hint: "+fault.Clean(p.Hint), false)...)
		}
	}
	return lines
}

// window is as much of the blocks as fits into room lines, around block at.
func window(blocks [][]string, at, room int) []string {
	var lines []string
	var from, to int
	for i, b := range blocks {
		if i == at {
			from, to = len(lines), len(lines)+len(b)
		}
		lines = append(lines, b...)
	}
	room = max(room, 0)
	top := from - max(room-(to-from), 0)/2
	top = max(min(top, len(lines)-room), 0)
	return lines[top:min(top+room, len(lines))]
}

// footer is the last line: what is typed, what a key came to, or the keys.
func (l *live) footer(items []item) string {
	if l.typing {
		return "/" + l.filter
	}
	var words []string
	if l.filter != "" {
		words = append(words, "filter: "+l.filter+" (Esc)")
	}
	for _, k := range keyHelp {
		switch at := l.selected(items); {
		case k[0] == "s" && len(items) > 0 && items[at].stopped:
			words = append(words, "s start")
		case k[2] != "":
			words = append(words, k[2])
		}
	}
	keys := paint(dim, strings.Join(words, "  "))
	if l.message != "" {
		return l.message + "  " + keys
	}
	return keys
}

func helpLines() (lines []string) {
	for _, k := range keyHelp {
		lines = append(lines, fmt.Sprintf("  %-16s  %s", k[0], k[1]))
	}
	return lines
}
