package daemon

import (
	"context"
	"sync"
)

// loginsAtOnce is how many logins at one server may be under way together.
// sshd drops some of more than ten by default (MaxStartups 10:30:100), and a
// machine that starts with many profiles for one bastion would meet that.
const loginsAtOnce = 6

// gate lets a few logins at a time through to each server.
type gate struct {
	mu     sync.Mutex
	places map[string]chan struct{} // by host:port; a login holds a place
}

// enter waits for a place, or for the end of ctx. leave frees it.
func (g *gate) enter(ctx context.Context, server string) (leave func(), err error) {
	g.mu.Lock()
	if g.places == nil {
		g.places = map[string]chan struct{}{}
	}
	places := g.places[server]
	if places == nil {
		places = make(chan struct{}, loginsAtOnce)
		g.places[server] = places
	}
	g.mu.Unlock()
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
