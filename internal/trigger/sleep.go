package trigger

import "time"

// lookAtClocks is how often the clocks are compared.
const lookAtClocks = 5 * time.Second

// nap is the least that the wall clock must gain on the other to count as a
// sleep. A clock that is set forward counts too, which does no harm.
const nap = 5 * time.Second

// knownFor is how long after a wake another word of it is no news: logind is
// slower than the clocks when it has much to do.
const knownFor = 30 * time.Second

// sleep tells from two clocks how long the machine slept: wall goes on
// meanwhile, awake does not.
type sleep struct {
	wall  time.Time
	awake time.Duration
	last  time.Duration // when awake a sleep was told
	first bool          // none was told yet
}

// look returns how long the machine has slept since the last look, 0 for not.
func (s *sleep) look(wall time.Time, awake time.Duration) time.Duration {
	slept := wall.Round(0).Sub(s.wall.Round(0)) - (awake - s.awake) // Round: without the monotonic reading
	s.wall, s.awake = wall, awake
	if slept < nap {
		return 0
	}
	return slept
}

// told notes that this sleep is known.
func (s *sleep) told() { s.last, s.first = s.awake, false }

// isKnown reports that a wake was told a moment ago.
func (s *sleep) isKnown() bool { return !s.first && s.awake-s.last < knownFor }
