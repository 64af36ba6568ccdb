package control

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
)

// How much there may be at once.
const (
	connections = 512 // the next takes the place of one that asks nothing
	requests    = 64  // the next wait until one ends
)

// places are for the connections and the requests of a server. A connection that
// has not asked anything yet gives its place to the next: silence keeps nobody
// out. The limit is far above what comes in one burst.
type places struct {
	connections chan struct{} // holds one for each
	requests    chan struct{} // holds one for each that is answered
	open        sync.WaitGroup

	mu     sync.Mutex // guards what follows
	silent []net.Conn // that have not asked yet, the oldest first
}

func newPlaces() *places {
	return &places{connections: make(chan struct{}, connections), requests: make(chan struct{}, requests)}
}

// changed follows the connections, as net/http tells of them. For a new one it is
// called by the loop that accepts, which waits where none is silent: requests
// that wait for their place end with the server, so that the loop does too.
func (p *places) changed(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		p.open.Add(1)
		if len(p.connections) == connections {
			p.endSilent()
		}
		p.connections <- struct{}{}
		p.add(c)
	case http.StateActive:
		p.remove(c)
	case http.StateClosed, http.StateHijacked:
		p.remove(c)
		<-p.connections
		p.open.Done()
	}
}

// endSilent ends the oldest connection that has not asked anything.
func (p *places) endSilent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.silent) > 0 {
		_ = p.silent[0].Close() // net/http tells when it is over
		p.silent = p.silent[1:]
	}
}

func (p *places) add(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = append(p.silent, c)
}

func (p *places) remove(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = slices.DeleteFunc(p.silent, func(other net.Conn) bool { return other == c })
}

// enter waits for the place of a request. leave gives it back, once.
func (p *places) enter(ctx context.Context) (leave func(), err error) {
	select {
	case p.requests <- struct{}{}:
		return sync.OnceFunc(func() { <-p.requests }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
