package daemon

import (
	"context"
	"time"

	"tunneld/forward"
	"tunneld/profiles"
)

// readyTime is how long the first load's sockets may keep Ready waiting: a name to
// listen on may not be found.
const readyTime = 10 * time.Second

// startReady calls Ready in time; the channel is closed when that is over.
func (s *Supervisor) startReady(ctx context.Context) <-chan struct{} {
	over := make(chan struct{})
	if s.Ready == nil {
		close(over)
		return over
	}
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
	go s.tellReady(ctx, sockets, over)
	return over
}

func (s *Supervisor) tellReady(ctx context.Context, sockets []settling, over chan<- struct{}) {
	defer close(over)
	limit := time.NewTimer(readyTime)
	defer limit.Stop()
	for _, settled := range sockets {
		select {
		case <-settled.over:
			continue
		case <-limit.C:
		case <-ctx.Done():
			return
		}
		break
	}
	s.Ready()
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
