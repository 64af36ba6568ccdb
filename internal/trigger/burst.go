package trigger

import (
	"context"
	"time"
)

// burst gathers what happens close together into one event. It is Serve's
// goroutine's alone, but for its channels.
type burst struct {
	watcher *Watcher
	woken   chan struct{} // logind says so; holds one
	stirred chan struct{} // something about the network may be new; holds one

	sleep   sleep
	network network // as it was last told
	blind   bool    // the network could not be looked at, and that was told
	event   Event   // what is known of the burst that is under way

	over, latest <-chan time.Time // its end, one way or the other; nil between bursts
}

func (b *burst) serve(ctx context.Context) error {
	tick := b.watcher.after(lookAtClocks)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick:
			tick = b.watcher.after(lookAtClocks)
			if slept := b.look(); slept > 0 {
				b.wake(slept)
			}
		case <-b.woken:
			b.hearOfWake()
		case <-b.watcher.Woken:
			b.hearOfWake()
		case <-b.stirred:
			b.goOn()
		case <-b.over:
			b.end()
		case <-b.latest:
			b.end()
		}
	}
}

func (b *burst) look() time.Duration {
	return b.sleep.look(b.watcher.now(), b.watcher.awake())
}

// hearOfWake counts a wake that somebody tells, unless it is known.
func (b *burst) hearOfWake() {
	if slept := b.look(); slept > 0 || !b.sleep.isKnown() {
		b.wake(slept)
	}
}

func (b *burst) wake(slept time.Duration) {
	b.sleep.told()
	b.event.Woke = true
	b.event.Slept += slept
	b.goOn()
}

// goOn begins a burst, or lets it last until it is quiet again.
func (b *burst) goOn() {
	b.over = b.watcher.after(quiet)
	if b.latest == nil {
		b.latest = b.watcher.after(limit)
	}
}

// end tells of the burst, if there is anything to tell.
func (b *burst) end() {
	e := b.event
	b.event, b.over, b.latest = Event{}, nil, nil
	now, err := look()
	switch {
	case err == nil:
		now.since(b.network, &e)
		b.network, b.blind = now, false
	case !b.blind && b.watcher.Trouble != nil:
		b.watcher.Trouble(err)
		b.blind = true
	}
	if e.Woke || len(e.Came)+len(e.Went) > 0 {
		b.watcher.Happened(e)
	}
}
