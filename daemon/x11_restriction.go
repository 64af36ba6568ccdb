package daemon

import (
	"context"
	"errors"
	"sync"
	"time"

	"tunneld/fault"
	"tunneld/x11"
)

// restriction keeps the authorization that restricts the programs of one
// session. It is made anew where the display was started again.
type restriction struct {
	seat    seat
	timeout time.Duration

	ctx  context.Context // ends what is kept
	work sync.WaitGroup  // one per authorization

	mu      sync.Mutex // guards what follows, and lets one be made at a time
	current *x11.Authorization
}

// Auth returns what restricted programs show. It is a grant's Auth.
func (r *restriction) Auth(ctx context.Context) (x11.Auth, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil {
		auth, err := r.current.Auth(ctx)
		if err == nil || fault.CodeOf(err) != fault.X11DisplayRefused {
			return auth, err
		}
	}
	return r.make(ctx)
}

// make has the display make an authorization, which is kept until ctx ends.
func (r *restriction) make(ctx context.Context) (x11.Auth, error) {
	if r.ctx.Err() != nil {
		return x11.Auth{}, errors.New("the session is over")
	}
	real, err := r.seat.auth(ctx)
	if err != nil {
		return x11.Auth{}, err
	}
	r.current, err = x11.Authorize(ctx, r.seat.display, real, r.timeout)
	if err != nil {
		r.current = nil
		return x11.Auth{}, err
	}
	kept := r.current
	r.work.Go(func() { _ = kept.Serve(r.ctx) }) // why it ended, Auth tells
	return kept.Auth(ctx)
}
