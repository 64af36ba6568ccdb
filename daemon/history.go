package daemon

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"tunneld/control"
)

// The bounds of what is kept.
const (
	memoryBytes = 2 << 20  // of events in memory
	diskBytes   = 10 << 20 // of the two files together
	detailBytes = 16 << 10 // of an event's detail: a panic has a long one
)

// diskRetry is when a disk that failed is tried again.
const diskRetry = 5 * time.Second

// history keeps what happened, of level info and above: the latest events in
// memory, and more in the state folder. The one who writes the files reads the
// memory as any follower does, so that a disk is never waited for: one that is
// too slow misses events, and that is told.
type history struct {
	ring  ring
	files eventFiles
	note  func(control.Event) // tells what becomes of the files
	retry time.Duration
	over  chan struct{} // closed when nothing will follow

	written int  // the number of the event that comes into the files next
	failing bool // the last write failed
}

func newHistory(dir string, note func(control.Event)) *history {
	return &history{
		ring:  ring{limit: memoryBytes},
		files: newEventFiles(dir, diskBytes/2),
		note:  note, retry: diskRetry,
		over: make(chan struct{}),
	}
}

// add keeps e. It never waits.
func (h *history) add(e control.Event) {
	if e.Level == control.Debug {
		return
	}
	if len(e.Detail) > detailBytes {
		e.Detail = strings.ToValidUTF8(e.Detail[:detailBytes], "") + "..."
	}
	h.ring.add(e)
}

// recall brings the latest of what the files have into memory. It comes before
// the first add and Serve.
func (h *history) recall() error {
	err := h.files.readTail(int64(h.ring.limit), func(e control.Event) bool { h.ring.add(e); return true })
	_, h.written = h.ring.bounds()
	return err
}

// tell tells what is kept since opts.Since, in the order in which it happened
// whatever the clock said, and with Follow all that happens, until ctx or Serve
// ends.
func (h *history) tell(ctx context.Context, opts control.EventOptions, tell func(control.Event)) error {
	_, now := h.ring.bounds()
	at, err := h.tellOlder(ctx, opts.Since, tell)
	if err != nil {
		return err
	}
	end := now
	if opts.Follow {
		end = math.MaxInt
	}
	for at < end {
		if h.isEnding(ctx) { // what has happened is still told
			_, last := h.ring.bounds()
			end = min(end, last)
		}
		e, missed, wait := h.ring.next(at)
		if missed > 0 {
			tell(control.Event{Time: time.Now(), Level: control.Warn, Kind: "daemon", Message: "events missed", Detail: fmt.Sprint(missed)})
			at += missed
		}
		if wait != nil {
			h.await(ctx, wait)
			continue
		}
		if at >= now || !e.Time.Before(opts.Since) {
			tell(e)
		}
		at++
	}
	return ctx.Err()
}

// tellOlder tells what only the files have since a time, and returns the number of
// the event to go on with in memory. That is the oldest there at the moment at
// which the files come to it: while somebody reads, both move on.
func (h *history) tellOlder(ctx context.Context, since time.Time, tell func(control.Event)) (at int, err error) {
	first, at, found := h.ring.oldest()
	if !found || !since.Before(first.Time) {
		return at, nil
	}
	isPast := false // first has come, and at is the number of what comes next
	err = h.files.readTail(math.MaxInt64, func(e control.Event) bool {
		oldest, n, _ := h.ring.oldest()
		if isSame(e, oldest) {
			at = n
			return false
		}
		if isPast = isPast || isSame(e, first); isPast {
			at++
		}
		if !e.Time.Before(since) {
			tell(e)
		}
		return ctx.Err() == nil
	})
	return at, err
}

// isSame reports whether e, as it was read, is the event that was written: JSON
// keeps the nanoseconds, but not text that is no UTF-8.
func isSame(e, written control.Event) bool {
	return e.Time.Equal(written.Time) && e.Kind == written.Kind && e.Profile == written.Profile && e.Message == written.Message
}

func (h *history) isEnding(ctx context.Context) bool {
	select {
	case <-ctx.Done():
	case <-h.over:
	default:
		return false
	}
	return true
}

// await waits for the next event, or the end of ctx or Serve.
func (h *history) await(ctx context.Context, next <-chan struct{}) {
	select {
	case <-next:
	case <-ctx.Done():
	case <-h.over:
	}
}

// Serve writes what is added into the files, until ctx ends: then what is left,
// without another try where the disk fails.
func (h *history) Serve(ctx context.Context) error {
	defer close(h.over)
	defer h.files.Close()
	for {
		e, missed, wait := h.ring.next(h.written)
		if missed > 0 {
			h.written += missed
			h.note(control.Event{Kind: "daemon", Level: control.Warn, Message: "events lost", Detail: fmt.Sprintf("%d were not written", missed), Hint: "the disk of the state folder is too slow, or was not there"})
		}
		switch {
		case wait == nil && h.write(ctx, e):
			h.written++
		case wait == nil, ctx.Err() != nil:
			return ctx.Err()
		default:
			h.await(ctx, wait)
		}
	}
}

// write writes e, again and again while the disk fails, and reports whether it
// could before ctx ended. A failure is told once, and so is its end.
func (h *history) write(ctx context.Context, e control.Event) bool {
	for {
		err := h.files.write(e)
		if err == nil && h.failing {
			h.failing = false
			h.note(control.Event{Kind: "daemon", Level: control.Info, Message: "events are written again"})
		}
		if err == nil {
			return true
		}
		if !h.failing {
			h.failing = true
			h.note(control.Event{Kind: "daemon", Level: control.Warn, Message: "events cannot be written", Detail: err.Error(), Hint: "until they can, the daemon keeps the latest in memory: make room, or let its account write the state folder"})
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(h.retry):
		}
	}
}
