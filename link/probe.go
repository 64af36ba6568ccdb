package link

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"tunneld/fault"
)

// errStale ends an attempt that may be bound to a network that is no more.
var errStale = errors.New("the network changed")

// Probe is for when connections may have died without a word: the machine woke,
// or its network changed. A live link asks its server for a sign of life, and
// connects anew at once if nothing at all is received within that time, or
// within what keepalives allow, if that is shorter. One that waits tries at
// once, without forgetting how often it has failed; so does a refused one whose
// time has come by the wall clock. An attempt that has not reached anybody yet
// begins anew. Any other link is left alone.
func (l *Link) Probe(within time.Duration) {
	l.mu.Lock()
	live, limit := l.live, l.target.silenceLimit()
	switch l.status.State {
	case Waiting:
		l.Wake()
	case Refused: // its timer stood still while the machine slept
		if at := l.status.RetryAt; !at.IsZero() && l.now().Round(0).After(at.Round(0)) {
			l.Wake()
		}
	case Connecting:
		if l.dialling {
			l.interrupt(errStale)
		}
	}
	l.mu.Unlock()
	if live != nil {
		within = min(within, limit)
		live.spawn(func() { live.probe(within) })
	}
}

// Lose ends a live connection from one of these addresses, which this machine
// had and has no more, and connects anew at once.
func (l *Link) Lose(gone []netip.Addr) {
	l.mu.Lock()
	live := l.live
	l.mu.Unlock()
	if live == nil {
		return
	}
	if own := live.ownAddr(); slices.Contains(gone, own) {
		live.lose(fault.New(fault.NetworkChanged, "", "%s is not an address of this machine any more", own))
	}
}

// probe asks for a sign of life, and ends the connection where none comes. One
// at a time is enough: a storm of changes must not become one of requests.
func (c *conn) probe(within time.Duration) {
	if !c.probing.CompareAndSwap(false, true) {
		return
	}
	defer c.probing.Store(false)
	start := c.link.now()
	select {
	case c.outgoing <- globalRequest{name: keepaliveRequest, wantReply: true}:
	default: // requests queue: their answers are signs of life too
	}
	select {
	case <-c.dead:
	case <-c.link.after(within):
		if !c.wire.receivedSince(start) {
			c.lose(fault.New(fault.KeepaliveLost, "", "nothing received for %s", within))
		}
	}
}

// lose ends the connection because of err, for the next to begin at once.
func (c *conn) lose(err error) {
	c.link.Wake()
	c.fail(err)
}

// ownAddr is the address of this machine that the connection comes from; the
// zero Addr where the connection is another program's, or another link's.
func (c *conn) ownAddr() netip.Addr {
	local, ok := c.wire.LocalAddr().(*net.TCPAddr)
	if !ok || c.target.DialContext != nil {
		return netip.Addr{}
	}
	return local.AddrPort().Addr().Unmap().WithZone("")
}

// setDialling notes whether the attempt is looking for somebody who answers.
func (l *Link) setDialling(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dialling = on
}
