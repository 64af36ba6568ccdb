package daemon

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"tunneld/fault"
)

// The bounds of what a program may say in the events: so many lines at once, so
// many a second on average, and so many bytes of each.
const (
	outputBurst  = 20
	outputRate   = 2
	outputLength = 1000
)

// outputLines tells what a program prints, line by line and made harmless. It
// never waits: what is too much is counted, and that told.
type outputLines struct {
	tell func(line string)
	now  func() time.Time

	mu      sync.Mutex // guards what follows
	part    []byte     // of a line that has not ended
	tokens  float64
	filled  time.Time
	skipped int
}

func newOutputLines(now func() time.Time, tell func(string)) *outputLines {
	return &outputLines{tell: tell, now: now, tokens: outputBurst, filled: now()}
}

// Write takes output. It does not fail.
func (o *outputLines) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(p)
	for {
		line, rest, whole := bytes.Cut(p, []byte("\n"))
		room := outputLength - len(o.part)
		o.part = append(o.part, line[:min(len(line), room)]...)
		if !whole {
			return n, nil
		}
		o.say()
		p = rest
	}
}

// end tells what has no line end, and what was left out.
func (o *outputLines) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.say()
	o.tellSkipped()
}

// say tells the line that was collected.
func (o *outputLines) say() {
	line := fault.Clean(string(o.part))
	o.part = o.part[:0]
	if line == "" {
		return
	}
	now := o.now()
	o.tokens = min(outputBurst, o.tokens+now.Sub(o.filled).Seconds()*outputRate)
	o.filled = now
	if o.tokens < 1 {
		o.skipped++
		return
	}
	o.tokens--
	o.tellSkipped()
	o.tell(line)
}

func (o *outputLines) tellSkipped() {
	if o.skipped > 0 {
		o.tell(fmt.Sprintf("(%d lines left out)", o.skipped))
		o.skipped = 0
	}
}
