package forward

import (
	"math"
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	var m meter
	wants := func(after time.Duration, total uint64, rate float64) {
		t.Helper()
		gotTotal, gotRate := m.read(start.Add(after))
		if gotTotal != total || math.Abs(gotRate-rate) > 0.01 {
			t.Errorf("after %v: %d bytes, %.2f B/s; want %d, %.2f", after, gotTotal, gotRate, total, rate)
		}
	}
	wants(0, 0, 0)
	for i := range 100 { // 1000 B/s for 10 s
		m.add(100, start.Add(time.Duration(i)*100*time.Millisecond))
	}
	wants(9900*time.Millisecond, 10_000, 6000/5.9)
	wants(10*time.Second, 10_000, 5000/5.) // the second that began has nothing yet
	wants(12500*time.Millisecond, 10_000, 3000/5.5)
	wants(15*time.Second, 10_000, 0)
	wants(time.Hour, 10_000, 0)
	m.add(60, start.Add(time.Hour)) // in a slot that was used before
	wants(time.Hour, 10_060, 12)
	wants(time.Hour-2*time.Second, 10_060, 0) // the clock was set back
	m.add(5, start.Add(time.Hour-2*time.Second))
	wants(time.Hour-2*time.Second, 10_065, 1)
}

// Counting is in the way of every byte: it allocates nothing.
func TestMeterAllocatesNothing(t *testing.T) {
	var m meter
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() { m.add(1, now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMeter(b *testing.B) {
	var m meter
	for b.Loop() {
		m.add(1, time.Now())
	}
}
