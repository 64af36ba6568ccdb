package daemon

import (
	"context"
	"fmt"
	"sync"
	"time"

	"tunneld/fault"
)

// guest is a stream that somebody uses beside the forwards. It is counted and
// told as sessions are, and ends with the tunnel.
type guest struct {
	visit   visit
	what    string          // what it is called
	ctx     context.Context // ends with the tunnel
	remove  func()
	unwatch func() bool // of ctx; set by opened
	began   time.Time
	once    sync.Once

	mu    sync.Mutex // guards what follows
	broke error      // why the stream did: the link was lost, or the tunnel ended; or nil
}

// receive takes a guest in, where the profile allows it. It ends with refused or
// close.
func (v visit) receive(what string) (*guest, error) {
	if err := v.allowed(); err != nil {
		return nil, err
	}
	ctx, remove, err := v.tunnel.sessions.add(v.ctx, false)
	if err != nil {
		return nil, err
	}
	return &guest{visit: v, what: what, ctx: ctx, remove: remove, began: time.Now()}, nil
}

// refused ends a guest for whom the server has nothing, and says why.
func (g *guest) refused(err error) error {
	if g.ctx.Err() != nil {
		err = context.Cause(g.ctx)
	}
	g.visit.noteSession("session refused", "", g.what, err)
	g.remove()
	return err
}

// opened tells of it. end is called when the tunnel ends before the guest.
func (g *guest) opened(end func() error) {
	g.visit.noteSession("session opened", "", g.what, nil)
	g.unwatch = context.AfterFunc(g.ctx, func() { _ = end() })
}

// explain says why a stream broke, which its end tells too.
func (g *guest) explain(err error) error {
	if err != nil && g.ctx.Err() != nil {
		err = context.Cause(g.ctx)
	}
	if fault.As(err) != nil || g.ctx.Err() != nil && g.visit.ctx.Err() == nil {
		g.noteBroken(err)
	}
	return g.visit.explain(err)
}

// noteBroken keeps the first reason.
func (g *guest) noteBroken(why error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.broke == nil {
		g.broke = why
	}
}

func (g *guest) why() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.broke
}

// close ends a guest who was opened, and its visit.
func (g *guest) close() {
	g.once.Do(func() {
		g.unwatch()
		g.visit.noteSession("session ended", "", fmt.Sprintf("%s, after %s", g.what, time.Since(g.began).Round(time.Millisecond)), g.why())
		g.remove()
		g.visit.leave()
	})
}
