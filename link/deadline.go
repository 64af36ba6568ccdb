package link

import (
	"context"
	"errors"
	"sync"
	"time"

	"tunneld/identity"
)

// askLimit is how long a person may take for an answer: sshd's LoginGraceTime
// is 120 s by default.
const askLimit = 110 * time.Second

var (
	errSlow     = errors.New("no answer in time") // ends a hop's steps at their deadline
	errNoAnswer = errors.New("nobody answered within " + askLimit.String())
	errHungUp   = errors.New("the server closed the connection while a person was asked")
)

// deadline ends the context of one hop's steps 1 to 3. It stands still while a
// person is asked.
type deadline struct {
	cancel context.CancelCauseFunc

	mu    sync.Mutex // guards what follows
	timer *time.Timer
	since time.Time // when timer was last started
	left  time.Duration
}

// withDeadline returns a context that ends after limit with errSlow as its cause.
func withDeadline(ctx context.Context, limit time.Duration) (context.Context, *deadline) {
	ctx, cancel := context.WithCancelCause(ctx)
	d := &deadline{cancel: cancel, since: time.Now(), left: limit}
	d.timer = time.AfterFunc(limit, d.expire)
	return ctx, d
}

func (d *deadline) expire() { d.cancel(errSlow) }

// end releases the context.
func (d *deadline) end() {
	d.timer.Stop()
	d.cancel(nil)
}

func (d *deadline) pause() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timer.Stop()
	d.left -= time.Since(d.since)
}

func (d *deadline) resume() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since = time.Now()
	d.timer.Reset(max(d.left, 0))
}

// asker asks on behalf of a hop: outside its deadline, for askLimit at most, and
// only as long as the server holds the line.
type asker struct {
	person   identity.Asker
	deadline *deadline
	wire     *wire
	leave    func() // gives the place up: whoever thinks for a minute must not keep the others out
}

// Ask implements identity.Asker.
func (a asker) Ask(ctx context.Context, q identity.Question) ([]string, error) {
	a.leave()
	a.deadline.pause()
	defer a.deadline.resume()
	ctx, cancel := context.WithTimeoutCause(ctx, askLimit, errNoAnswer)
	defer cancel()
	ctx, hangUp := context.WithCancelCause(ctx)
	defer hangUp(nil)
	stop := context.AfterFunc(a.wire.alive, func() { hangUp(errHungUp) })
	defer stop()
	answers, err := a.person.Ask(ctx, q)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return answers, err
}
