package daemon

import (
	"context"
	"time"

	"tunneld/forward"
	"tunneld/profiles"
)

// How long sockets may keep whoever waits for them: a name to listen on may not
// be found.
const (
	readyTime   = 10 * time.Second // of the first load
	appliedTime = 2 * time.Second  // of a reload
)

// startReady calls Ready in time; the channel is closed when that is over.
func (s *Supervisor) startReady(ctx context.Context) <-chan struct{} {
	over := make(chan struct{})
	if s.Ready == nil {
		close(over)
		return over
	}
	go s.tellReady(ctx, s.sockets(), over)
	return over
}

func (s *Supervisor) tellReady(ctx context.Context, sockets []settling, over chan<- struct{}) {
	defer close(over)
	if awaitSockets(ctx, sockets, readyTime); ctx.Err() == nil {
		s.Ready()
	}
}

// sockets are those of this machine that the daemon has, or should have. It is
// the owner's.
func (s *Supervisor) sockets() []settling {
	var sockets []settling
	if s.scraped != nil {
		sockets = append(sockets, s.scraped.settled)
	}
	for _, t := range s.all() {
		for _, r := range t.running() {
			if r.spec.Kind != profiles.Remote {
				sockets = append(sockets, r.settled)
			}
		}
	}
	return sockets
}

// awaitSockets waits until each has listened, or could not, as long as ctx and
// limit allow.
func awaitSockets(ctx context.Context, sockets []settling, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, settled := range sockets {
		select {
		case <-settled.over:
		case <-ctx.Done():
			return
		}
	}
}

// settling tells when a socket of this machine has listened for the first time,
// or could not.
type settling struct {
	settle func()
	over   <-chan struct{} // closed by the first settle
}

func newSettling() settling {
	ctx, settle := context.WithCancel(context.Background())
	return settling{settle, ctx.Done()}
}

// settle notes that the forward has listened, or could not.
func (r *running) settle(s forward.State) {
	if s != forward.Waiting {
		r.settled.settle()
	}
}
