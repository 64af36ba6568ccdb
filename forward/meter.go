package forward

import (
	"sync"
	"time"
)

// rateSeconds is how far back a rate looks, beside the second that is not over.
const rateSeconds = 5

// meter counts the bytes of one direction, and how fast they came lately. It
// works only when bytes pass or somebody asks: an idle one costs nothing.
type meter struct {
	mu    sync.Mutex // guards what follows
	total uint64
	slots [rateSeconds + 1]slot // one a second, in a ring
}

// slot is what passed in one second of the wall clock. A clock that is set
// spoils the rate for a few seconds, and nothing else.
type slot struct {
	second int64 // since 1970
	bytes  uint64
}

func (m *meter) add(n int, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total += uint64(n)
	second := now.Unix()
	s := &m.slots[uint64(second)%uint64(len(m.slots))]
	if s.second != second {
		*s = slot{second: second}
	}
	s.bytes += uint64(n)
}

// read returns the bytes so far, and the mean of the last seconds in bytes/s.
func (m *meter) read(now time.Time) (total uint64, rate float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var lately uint64
	for _, s := range m.slots {
		if age := now.Unix() - s.second; age >= 0 && age <= rateSeconds {
			lately += s.bytes
		}
	}
	span := rateSeconds + float64(now.Nanosecond())/1e9
	return m.total, float64(lately) / span
}
