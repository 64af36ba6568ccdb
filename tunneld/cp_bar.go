package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"

	"tunneld/files"
)

const (
	drawAgain = 100 * time.Millisecond // the least time between two lines
	rateSpan  = 5 * time.Second        // over which a rate is the mean
	gaugeSize = 20                     // in cells
	mostLeft  = 100 * time.Hour        // that is said to be left
)

// copyBar is the line that shows how far a copy is, on a terminal. In a pipe it has
// only what failed.
type copyBar struct {
	out   io.Writer
	width func() int // of the terminal; nil means that nothing is shown
	now   func() time.Time

	mu    sync.Mutex // guards what follows
	start time.Time
	drawn time.Time // the last line; zero means that none stands there
	last  files.Progress
	marks []moved // of the last rateSpan
}

// moved is how much was copied at a time.
type moved struct {
	at    time.Time
	bytes int64
}

func newCopyBar(out io.Writer, quiet bool) *copyBar {
	b := &copyBar{out: out, now: time.Now}
	b.start = b.now()
	if f, ok := out.(*os.File); ok && !quiet && isTerminal(f) {
		b.width = func() int { return widthOf(f) }
	}
	return b
}

// widthOf is the width of a terminal in cells.
func widthOf(f *os.File) int {
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		return width
	}
	return 80
}

// move takes what was copied.
func (b *copyBar) move(p files.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = p
	now := b.now()
	if b.width == nil || now.Sub(b.drawn) < drawAgain {
		return
	}
	b.marks = append(b.marks, moved{now, p.Moved})
	for len(b.marks) > 2 && now.Sub(b.marks[0].at) > rateSpan {
		b.marks = b.marks[1:]
	}
	b.draw(now, progressLine(p, b.speed(), b.width()-1))
}

// speed is bytes per second of late.
func (b *copyBar) speed() float64 {
	first, last := b.marks[0], b.marks[len(b.marks)-1]
	span := last.at.Sub(first.at).Seconds()
	if span <= 0 {
		return 0
	}
	return float64(last.bytes-first.bytes) / span
}

// draw puts a line in the place of the one before, and blanks behind it: a Windows
// console may know no more than a carriage return.
func (b *copyBar) draw(now time.Time, line string) {
	b.drawn = now
	fmt.Fprint(b.out, "\r"+line+strings.Repeat(" ", max(0, b.width()-1-ansi.StringWidth(line))))
}

// wait says that a copy waits for its link.
func (b *copyBar) wait(profile string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.width != nil {
		b.marks = nil
		b.draw(b.now(), ansi.Truncate(files.Shown(b.last.Path)+"  waiting for "+profile+" to come back", b.width()-1, "…"))
	}
}

// say writes a line above the bar.
func (b *copyBar) say(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clear()
	fmt.Fprintln(b.out, text)
}

func (b *copyBar) clear() {
	if !b.drawn.IsZero() {
		b.draw(b.drawn, "")
		fmt.Fprint(b.out, "\r")
		b.drawn = time.Time{}
	}
}

// end leaves what was copied in the bar's place.
func (b *copyBar) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clear()
	if b.width == nil || b.last.Files == 0 {
		return
	}
	took := b.now().Sub(b.start)
	fmt.Fprintf(b.out, "%s, %s in %s, %s\n", count(b.last.Files, "file"), amount(b.last.Moved), clock(took), rate(float64(b.last.Moved)/max(took.Seconds(), 0.001)))
}

// progressLine is how far one file is, in width cells: the gauge gives way, then
// the beginning of the path.
func progressLine(p files.Progress, speed float64, width int) string {
	part := 1.0
	if p.Total > 0 {
		part = float64(p.Done) / float64(p.Total)
	}
	text := fmt.Sprintf("%3.0f%%  %s", 100*part, amount(p.Done))
	if speed >= slowest {
		left := min(float64(p.Total-p.Done)/speed, mostLeft.Seconds())
		text += "  " + rate(speed) + "  " + clock(time.Duration(left*float64(time.Second))) + " left"
	}
	gauge := "  "
	if width >= 60 {
		filled := int(part * gaugeSize)
		gauge = "  [" + strings.Repeat("#", filled) + strings.Repeat(" ", gaugeSize-filled) + "] "
	}
	name := files.Shown(p.Path)
	if over := ansi.StringWidth(name+gauge+text) - width; over > 0 {
		name = ansi.TruncateLeft(name, over+1, "…")
	}
	return ansi.Truncate(name+gauge+text, width, "")
}

// amount is bytes in two or three digits, in decimal units as rates are.
func amount(bytes int64) string { return strings.TrimSuffix(rate(float64(bytes)), "/s") }

// clock is a span of time as a stopwatch shows it: 0:07, 12:34, 1:02:03.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
