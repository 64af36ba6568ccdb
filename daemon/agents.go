package daemon

import (
	"context"
	"net"
	"sync"
	"time"

	"tunneld/fault"
	"tunneld/forward"
	"tunneld/identity"
	"tunneld/profiles"
)

// agents lends the agent to the programs of a tunnel's sessions. An agent channel
// does not say whose it is: while one session asked, all reach the agent.
type agents struct {
	mu    sync.Mutex // guards what follows
	users int
	end   func()    // of what serves them; nil without users
	given time.Time // when the connection came up on which the server granted it
}

// isAgentGiven reports whether the live connection has the agent.
func (t *tunnel) isAgentGiven() bool {
	t.agents.mu.Lock()
	defer t.agents.mu.Unlock()
	return t.agents.given.Equal(t.link.Status().Since)
}

func (t *tunnel) setAgentGiven() {
	t.agents.mu.Lock()
	defer t.agents.mu.Unlock()
	t.agents.given = t.link.Status().Since
}

// lendAgent lets the server reach the agent until release.
func (t *tunnel) lendAgent(a profiles.Auth) (release func(), err error) {
	socket := t.agent(a)
	if socket == "" {
		return nil, fault.New(fault.AgentUnavailable, fault.Session, "there is no agent to forward")
	}
	t.agents.mu.Lock()
	defer t.agents.mu.Unlock()
	if t.agents.users == 0 {
		channels, err := t.link.AgentChannels()
		if err != nil {
			return nil, err
		}
		t.agents.end = serveAgents(t.ctx, channels, socket)
	}
	t.agents.users++
	return t.returnAgent, nil
}

func (t *tunnel) returnAgent() {
	t.agents.mu.Lock()
	defer t.agents.mu.Unlock()
	if t.agents.users--; t.agents.users == 0 {
		t.agents.end()
	}
}

// serveAgents connects each channel to the agent, until end.
func serveAgents(ctx context.Context, channels net.Listener, socket string) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { acceptAgents(ctx, channels, socket) })
	return func() {
		cancel()
		channels.Close()
		work.Wait()
	}
}

// acceptAgents returns when the channels are closed and every connection is over.
func acceptAgents(ctx context.Context, channels net.Listener, socket string) {
	var work sync.WaitGroup
	defer work.Wait()
	for {
		channel, err := channels.Accept()
		if err != nil {
			return
		}
		work.Go(func() { spliceAgent(ctx, channel, socket) })
	}
}

// spliceAgent relays one channel. A program whose agent is gone sees its channel
// close.
func spliceAgent(ctx context.Context, channel net.Conn, socket string) {
	agent, err := identity.DialAgent(ctx, socket)
	if err != nil {
		channel.Close()
		return
	}
	_, _, _ = forward.Splice(ctx, channel, agent)
}
