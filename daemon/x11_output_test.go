package daemon

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// What a program says comes line by line, harmless, short, and not too much at
// once; what was left out is counted.
func TestOutputLines(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	var told []string
	o := newOutputLines(c.now, func(line string) { told = append(told, line) })
	fmt.Fprintf(o, "on")
	fmt.Fprintf(o, "e\n\ntwo \x1b[31mred\nlast")
	if want := []string{"one", "two [31mred"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	fmt.Fprintf(o, "%s\n", strings.Repeat("x", 1<<20))
	if n := len(told[2]); n > outputLength || len(o.part) != 0 {
		t.Errorf("a line of %d bytes, %d kept", n, len(o.part))
	}
	for i := range 1000 {
		fmt.Fprintln(o, i)
	}
	if len(told) != outputBurst {
		t.Errorf("told %d lines at once, want %d", len(told), outputBurst)
	}
	c.at = c.at.Add(time.Second)
	fmt.Fprint(o, "again\nend")
	o.end()
	want := []string{fmt.Sprintf("(%d lines left out)", 1000-(outputBurst-3)), "again", "end"}
	if got := told[outputBurst:]; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}
