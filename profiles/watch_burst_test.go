package profiles

import (
	"testing"
	"time"
)

// A burst is over when it has been quiet, or has lasted too long.
func TestBurst(t *testing.T) {
	b := burst{quiet: 100 * time.Millisecond, most: time.Second}
	if b.over() != nil {
		t.Error("over before it began")
	}
	start := time.Now()
	for _, step := range []struct{ after, want time.Duration }{
		{0, 100 * time.Millisecond},
		{90 * time.Millisecond, 100 * time.Millisecond},
		{930 * time.Millisecond, 70 * time.Millisecond},
		{1100 * time.Millisecond, -100 * time.Millisecond},
	} {
		now := start.Add(step.after)
		b.add(now)
		if got := b.wait(now); got != step.want {
			t.Errorf("after %v it waits %v, want %v", step.after, got, step.want)
		}
	}
	<-b.over()
	b.end()
	if b.over() != nil || b.wait(start) > 0 {
		t.Error("it goes on")
	}
}
