package link

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errUnused ends a connection that nobody used for long enough.
var errUnused = errors.New("nobody used the link")

// demand is who needs the link. Its fields belong to the link's lock.
type demand struct {
	idle   time.Duration // after so long without use the connection is closed; 0 means never
	uses   int           // channels, dials under way, holders
	since  time.Time     // when uses fell to zero, or the link came up without any
	wanted bool          // until it is up: somebody asked for it, or it was lost in use
	first  bool          // it is idle, or in the first attempt since
}

// isOver reports that the link need not be connected.
func (d demand) isOver() bool { return d.idle > 0 && d.uses == 0 && !d.wanted }

// OnDemand makes the link connect only while it is used: by Dial, DialUnix and Session,
// by channels that are open, whoever opened them, or by Hold. After idle without
// any of them the connection is closed. Listen waits for others to bring the
// link up. 0, as of a new link, keeps it up always. It may be called at any time.
func (l *Link) OnDemand(idle time.Duration) {
	l.mu.Lock()
	l.demand.idle = idle
	l.mu.Unlock()
	l.tellUse()
}

// Connect brings up a link that is idle, or ends a wait between attempts. The
// link is tried until it is up once; then OnDemand's idle counts. To a live link
// it is as a use that has just ended.
func (l *Link) Connect() {
	l.mu.Lock()
	if l.live == nil || l.live.isDead() {
		l.demand.wanted = true
	}
	l.demand.since = l.now()
	l.mu.Unlock()
	l.tellUse()
	l.Wake()
}

// want has the link connect, whether it is used or not.
func (l *Link) want() {
	l.mu.Lock()
	l.demand.wanted = true
	l.mu.Unlock()
	l.tellUse()
}

// Hold keeps the link in use until release is called, which may be more than
// once.
func (l *Link) Hold() (release func()) { return l.use().end }

// use is one reason to keep the connection.
type use struct {
	link *Link
	once sync.Once
}

func (l *Link) use() *use {
	l.mu.Lock()
	l.demand.uses++
	l.mu.Unlock()
	l.tellUse()
	return &use{link: l}
}

// end ends a use; the link is idle from now on, if it was the last.
func (u *use) end() { u.once.Do(func() { u.link.endUse(u.link.now()) }) }

// disregard ends a use as if it had never been. A nil use was none.
func (u *use) disregard() {
	if u != nil {
		u.once.Do(func() { u.link.endUse(time.Time{}) })
	}
}

func (l *Link) endUse(at time.Time) {
	l.mu.Lock()
	d := &l.demand
	d.uses--
	if !at.IsZero() {
		d.since = at
	}
	// What a dying connection carried ends before its death is noticed.
	if l.live != nil && l.live.isDead() {
		d.wanted = true
	}
	l.mu.Unlock()
	l.tellUse()
}

// tellUse wakes who watches the demand.
func (l *Link) tellUse() {
	select {
	case l.used <- struct{}{}:
	default:
	}
}

func (l *Link) isOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.demand.isOver()
}

// awaitDemand is idle until somebody needs the link, or ctx ends.
func (l *Link) awaitDemand(ctx context.Context) {
	if l.Status().State != Idle {
		l.move(Idle, nil, time.Time{})
	}
	for l.isOver() {
		select {
		case <-l.used:
		case <-ctx.Done():
			return
		}
	}
}

// watchUse ends the connection when nobody has used it for long enough.
func (c *conn) watchUse() {
	for {
		left, over := c.link.retire(c)
		if over {
			c.fail(errUnused)
			return
		}
		var timer <-chan time.Time
		if left > 0 {
			timer = c.link.after(left)
		}
		select {
		case <-c.dead:
			return
		case <-c.link.used:
		case <-timer:
		}
	}
}

// retire takes a connection that nobody used for long enough from those who
// come now: they wait for the next. Else it returns how long that may take, 0
// while it is in use.
func (l *Link) retire(c *conn) (left time.Duration, over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.demand.isOver() || l.live != c {
		return 0, false
	}
	left = l.demand.idle - l.now().Sub(l.demand.since)
	if left > 0 {
		return left, false
	}
	l.live = nil
	return 0, true
}
