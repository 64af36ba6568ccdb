package daemon

import (
	"context"
	"fmt"
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
		credentials := t.credentials(p.Auth)
		credentials.Memory = t.memoryOf(fmt.Sprintf("%s@%s:%d", h.User, h.Host, h.Port))
		jumps = append(jumps, link.Target{
			Host: h.Host, Port: h.Port, User: h.User,
			HostKeys: known, UpdateHostKeys: p.HostKey.Update,
			Credentials: credentials, Algorithms: algorithms(p.Link),
			ConnectTimeout: p.Link.ConnectTimeout,
		})
	}
	return jumps
}

// memoryOf returns what a person gave for one hop; "" is the server itself.
func (t *tunnel) memoryOf(hop string) *identity.Memory {
	if t.memories[hop] == nil {
		t.memories[hop] = &identity.Memory{}
	}
	return t.memories[hop]
}

// forget drops what a person gave.
func (t *tunnel) forget() {
	for _, m := range t.memories {
		m.Forget()
	}
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
			return nil, fault.New(fault.JumpFailed, fault.Connect, "profile %s: %w", name, err)
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
	hop := t.house.linkOf(name)
	if hop == nil {
		return nil, link.ErrDown
	}
	return hop.Dial(ctx, host, port, nil, hold)
}
