package link

import (
	"math/rand/v2"
	"time"
)

// Backoff is the wait between attempts: full jitter over a range that doubles.
type Backoff struct {
	Min time.Duration // 0 means 500 ms
	Max time.Duration // 0 means 30 s
}

// Wait returns the wait after the nth failure in a row, from 1: uniform
// between Min and min(Max, Min·2ⁿ). dice returns a number in [0, n); nil means
// math/rand's.
func (b Backoff) Wait(n int, dice func(n int64) int64) time.Duration {
	low, high := b.Min, b.Max
	if low <= 0 {
		low = 500 * time.Millisecond
	}
	if high <= 0 {
		high = 30 * time.Second
	}
	if high < low {
		high = low
	}
	ceiling := low
	for ; n > 0 && ceiling < high; n-- {
		ceiling = min(high, 2*ceiling)
		if ceiling < low { // overflow
			ceiling = high
		}
	}
	return low + roll(dice, ceiling-low)
}

// roll returns a duration between 0 and span.
func roll(dice func(n int64) int64, span time.Duration) time.Duration {
	if span <= 0 {
		return 0
	}
	if dice == nil {
		dice = rand.Int64N
	}
	return time.Duration(dice(int64(span)))
}
