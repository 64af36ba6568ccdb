package daemon

import (
	"sync"

	"tunneld/control"
)

// eventOverhead is what an event costs beside its text, in bytes.
const eventOverhead = 300

// ring keeps the latest events, bounded in bytes. Each has a number, one more
// than the one before, so that whoever reads needs but the number to go on
// with, and costs nothing while slow.
type ring struct {
	limit int // in bytes

	mu      sync.Mutex // guards what follows
	events  []control.Event
	first   int // the number of events[0]
	size    int
	changed chan struct{} // closed by the next add; nil while nobody waits
}

// add keeps e, and drops what is too much. The latest always stays.
func (r *ring) add(e control.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	r.size += cost(e)
	for r.size > r.limit && len(r.events) > 1 {
		r.size -= cost(r.events[0])
		r.events[0] = control.Event{} // its text goes now, its place with the next copy
		r.events = r.events[1:]
		r.first++
	}
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

func cost(e control.Event) int {
	return eventOverhead + len(e.Kind) + len(e.Profile) + len(e.Forward) + len(e.State) + len(e.Message) + len(e.Detail) + len(e.Hint)
}

// bounds are the number of the oldest event, and the one that comes next.
func (r *ring) bounds() (oldest, end int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first, r.first + len(r.events)
}

// oldest returns the oldest event and its number. found is false while there is
// none.
func (r *ring) oldest() (e control.Event, at int, found bool) {
	e, at, wait := r.next(0)
	return e, at, wait == nil
}

// next returns the event with number at, or the oldest after it. missed is how
// many are gone between. Where there is none yet, wait is closed when there is.
func (r *ring) next(at int) (e control.Event, missed int, wait <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	missed = max(0, r.first-at)
	at += missed
	if i := at - r.first; i < len(r.events) {
		return r.events[i], missed, nil
	}
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return e, missed, r.changed
}
