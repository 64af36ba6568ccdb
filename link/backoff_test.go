package link_test

import (
	"testing"
	"time"

	"tunneld/link"
)

func TestBackoffDoubles(t *testing.T) {
	b := link.Backoff{Min: 500 * time.Millisecond, Max: 30 * time.Second}
	most := func(n int64) int64 { return n - 1 }
	least := func(int64) int64 { return 0 }
	for n, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 6: 30 * time.Second, 1000: 30 * time.Second} {
		if got := b.Wait(n, most); got != want-1 {
			t.Errorf("at most %s after %d failures, want %s", got, n, want)
		}
		if got := b.Wait(n, least); got != b.Min {
			t.Errorf("at least %s after %d failures, want %s", got, n, b.Min)
		}
	}
}

func FuzzBackoff(f *testing.F) {
	f.Add(int64(0), int64(0), 1)
	f.Add(int64(time.Millisecond), int64(time.Hour), 40)
	f.Add(int64(1)<<62, int64(1)<<62+1, 3)
	f.Add(int64(time.Second), int64(1), 2)
	f.Fuzz(func(t *testing.T, least, most int64, n int) {
		b := link.Backoff{Min: time.Duration(least), Max: time.Duration(most)}
		got := b.Wait(n, nil)
		if got < 0 || (least > 0 && got < b.Min) || (least > 0 && most >= least && got > b.Max) {
			t.Errorf("%+v waits %s after %d failures", b, got, n)
		}
	})
}
