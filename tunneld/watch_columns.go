package main

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// column is a column of the live screen. One with no width is left out.
type column struct {
	title       string
	least, most int // the width that it needs, and the most that is of use
	width       int
	right       bool   // its text stands to the right
	paint       string // its colour
}

// columns are those of the live screen, in their order.
type columns [7]column

const (
	nameColumn = iota
	stateColumn
	sinceColumn
	routeColumn
	openColumn
	flowColumn
	minuteColumn
)

// The widths that do not come from what is shown.
const (
	margin     = 2 // before the first column, for the cursor
	gap        = 2
	flowWidth  = 8 // "999 kB/s"
	longest    = 32
	sparkLeast = 8
)

// importance is the order in which the columns get room.
var importance = [...]int{nameColumn, stateColumn, flowColumn, routeColumn, sinceColumn, minuteColumn, openColumn}

// columns lays out items in the width of the screen.
func (l *live) columns(items []item) columns {
	c := columns{
		nameColumn:   {title: "NAME"},
		stateColumn:  {title: "STATE"},
		sinceColumn:  {title: "SINCE"},
		routeColumn:  {title: "ROUTE"},
		openColumn:   {title: "OPEN", right: true},
		flowColumn:   {title: flowCells("SENT", "RECEIVED")},
		minuteColumn: {title: "MINUTE"},
	}
	for i := range c {
		c[i].most = ansi.StringWidth(c[i].title)
		for _, item := range items {
			if i < len(item.row.cells) {
				c[i].most = max(c[i].most, ansi.StringWidth(item.row.cells[i]))
			}
		}
		c[i].least = c[i].most
	}
	room := max(l.width-margin, 0)
	c[nameColumn].most = min(c[nameColumn].most, longest)
	c[nameColumn].least = min(c[nameColumn].most, max(room/5, 8), room)
	c[routeColumn].least = min(c[routeColumn].most, narrowest)
	c[minuteColumn].least, c[minuteColumn].most = sparkLeast, minute
	c.fit(room)
	return c
}

// fit gives each column its width, in room cells together: first those that
// matter most what they need, then what is left to them.
func (c *columns) fit(room int) {
	room += gap // that of the last column
	for _, i := range importance {
		if need := c[i].least + gap; need <= room {
			c[i].width = c[i].least
			room -= need
		}
	}
	for _, i := range importance {
		if c[i].width > 0 {
			more := min(room, c[i].most-c[i].width)
			c[i].width += more
			room -= more
		}
	}
}

func (c *columns) titles() (cells [len(columns{})]string) {
	for i, column := range c {
		cells[i] = column.title
	}
	return cells
}

// cells are the texts of an item.
func (c *columns) cells(i item, spark string) (cells [len(columns{})]string) {
	copy(cells[:], i.row.cells[:])
	cells[flowColumn], cells[minuteColumn] = i.flow, spark
	return cells
}

// spilled has the route of a line with nothing after it run to the end.
func (c columns) spilled(cells [len(columns{})]string) columns {
	after := c[routeColumn+1:]
	if c[routeColumn].width == 0 || strings.TrimSpace(strings.Join(cells[routeColumn+1:], "")) != "" {
		return c
	}
	for i := range after {
		if after[i].width > 0 {
			c[routeColumn].width += gap + after[i].width
			after[i].width = 0
		}
	}
	return c
}

// line joins cells, each in the width of its column.
func (c *columns) line(cells [len(columns{})]string) string {
	var parts []string
	for i, column := range c {
		if column.width == 0 {
			continue
		}
		text := ansi.Truncate(cells[i], column.width, "…")
		room := strings.Repeat(" ", column.width-ansi.StringWidth(text))
		if column.right {
			text, room = room+text, ""
		}
		parts = append(parts, paint(column.paint, text+room))
	}
	return strings.Join(parts, strings.Repeat(" ", gap))
}

// flowCells are the two numbers of the flow, side by side.
func flowCells(sent, received string) string {
	return alignRight(sent, flowWidth) + " " + alignRight(received, flowWidth)
}

func alignRight(s string, width int) string {
	return strings.Repeat(" ", max(0, width-ansi.StringWidth(s))) + s
}
