//go:build !windows

package trigger

import "time"

var start = time.Now()

// awake is the time since the start, without sleep: Go's monotonic clock is the
// system's that stands still then (CLOCK_MONOTONIC, mach_absolute_time).
func awake() time.Duration { return time.Since(start) }
