package daemon

import (
	"context"
	"time"

	"tunneld/forward"
	"tunneld/profiles"
)

// readyTime is how long the first load's ports may keep Ready waiting: a name to
// listen on may not be found.
const readyTime = 10 * time.Second

// startReady calls Ready in time; the channel is closed when that is over.
func (s *Supervisor) startReady(ctx context.Context) <-chan struct{} {
	over := make(chan struct{})
	if s.Ready == nil {
		close(over)
		return over
	}
	var ports []<-chan struct{}
	for _, t := range s.all() {
		for _, r := range t.running() {
			if r.spec.Kind != profiles.Remote {
				ports = append(ports, r.settled)
			}
		}
	}
	go s.tellReady(ctx, ports, over)
	return over
}

func (s *Supervisor) tellReady(ctx context.Context, ports []<-chan struct{}, over chan<- struct{}) {
	defer close(over)
	limit := time.NewTimer(readyTime)
	defer limit.Stop()
	for _, settled := range ports {
		select {
		case <-settled:
			continue
		case <-limit.C:
		case <-ctx.Done():
			return
		}
		break
	}
	s.Ready()
}

// settle notes that the forward has listened, or could not.
func (r *running) settle(s forward.Status) {
	if s.State != forward.Waiting {
		r.settleOnce.Do(func() { close(r.settled) })
	}
}
