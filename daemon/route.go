package daemon

import (
	"context"
	"maps"
	"net"
	"strconv"
	"time"

	"tunneld/fault"
	"tunneld/identity"
	"tunneld/link"
	"tunneld/profiles"
)

// jumps are the plain jump hosts of a profile. Each is verified by itself, with
// the profile's [auth] and [host_key]; alias is the server's name alone, and
// what a person gave to one hop is not given to another.
func (t *tunnel) jumps(p profiles.Profile) (jumps []link.Target) {
	_, hops := p.Server.Way()
	for _, h := range hops {
		known := hostKeys(p.HostKey)
		known.Alias = ""
		credentials := t.credentials(p.Auth, h)
		// What is stored is the server's: a jump host that suddenly wants a
		// password must not get it. A hop that needs one is a profile of its own.
		credentials.Password, credentials.Answers = "", nil
		jumps = append(jumps, link.Target{
			Host: h.Host, Port: h.Port, User: h.User,
			HostKeys: known, UpdateHostKeys: p.HostKey.Update,
			Credentials: credentials, Algorithms: algorithms(p.Link),
			ConnectTimeout: p.Link.ConnectTimeout,
		})
	}
	return jumps
}

// memoryOf returns what a person gave for one server on the way.
func (t *tunnel) memoryOf(server profiles.Hop) *identity.Memory {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.memories[server] == nil {
		t.memories[server] = &identity.Memory{}
	}
	return t.memories[server]
}

// forget drops what a person gave.
func (t *tunnel) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.memories {
		m.Forget()
	}
	clear(t.memories)
}

// remembered are the memories, for a trace that asks nobody.
func (t *tunnel) remembered() map[profiles.Hop]*identity.Memory {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.memories)
}

// through returns the dial of a link whose first hop is another profile's live
// link, or nil where there is no such hop: one login there serves both.
func (t *tunnel) through(p profiles.Profile) func(ctx context.Context, network, address string) (net.Conn, error) {
	name, _ := p.Server.Way()
	if name == "" {
		return nil
	}
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		hold := p.Link.ConnectTimeout * 9 / 10 // so that it is this hop that is named, and not the whole
		conn, err := t.dialThrough(ctx, name, address, hold)
		if err != nil && ctx.Err() == nil {
			return nil, hopError(name, err)
		}
		return conn, err
	}
}

func (t *tunnel) dialThrough(ctx context.Context, name, address string, hold time.Duration) (net.Conn, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(service)
	if err != nil {
		return nil, err
	}
	hop := t.house.linkOf(ctx, name)
	if hop == nil {
		return nil, link.ErrDown
	}
	return hop.Dial(ctx, host, port, nil, hold)
}

// hopError names the profile that is the hop. Its code decides what happens
// next, but what it waits for is asked and answered there, and not once more
// for each profile behind it.
func hopError(name string, err error) error {
	hint := hintFor(name, err)
	if inner := fault.As(err); inner != nil {
		err = &fault.Error{Code: inner.Code, Step: inner.Step, Message: inner.Message}
	}
	return fault.New(fault.JumpFailed, fault.Connect, "profile %s: %w", name, err).WithHint("%s", hint)
}
