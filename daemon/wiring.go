package daemon

import (
	"context"
	"fmt"
	"net"
	"time"

	"tunneld/fault"
	"tunneld/forward"
	"tunneld/identity"
	"tunneld/link"
	"tunneld/profiles"
)

// listenAgain is the wait after a local address was in use.
const listenAgain = 5 * time.Second

// linkTarget is what a profile asks of its link. agent is what "auto" means.
func linkTarget(p profiles.Profile, agent string) link.Target {
	switch p.Auth.Agent {
	case "auto":
	case "none":
		agent = ""
	default:
		agent = p.Auth.Agent
	}
	return link.Target{
		Host: p.Server.Host, Port: p.Server.Port, User: p.Server.User,
		BindAddress: p.Server.BindAddress, AddressFamily: p.Server.AddressFamily,
		HostKeys: identity.HostKeys{Files: p.HostKey.KnownHosts, Fingerprints: p.HostKey.Fingerprints, Alias: p.HostKey.Alias},
		Credentials: identity.Credentials{
			Files: p.Auth.IdentityFiles, Named: p.Auth.IdentityFilesWritten,
			IdentitiesOnly: p.Auth.IdentitiesOnly, Agent: agent,
		},
		Algorithms: link.Algorithms{
			KeyExchanges: p.Link.Kex, Ciphers: p.Link.Ciphers, MACs: p.Link.MACs, HostKeys: p.Link.HostKeyAlgorithms,
		},
		ConnectTimeout: p.Link.ConnectTimeout,
		Keepalive:      p.Link.Keepalive, KeepaliveMisses: p.Link.KeepaliveMisses,
		Backoff:      link.Backoff{Min: p.Link.ReconnectMin, Max: p.Link.ReconnectMax},
		RefusedRetry: p.Link.RefusedRetry,
	}
}

// newForward wires a forward: local and remote differ only in who listens and
// who dials.
func (t *tunnel) newForward(spec profiles.Forward) *forward.Forward {
	f := &forward.Forward{
		Name:           spec.Name,
		MaxConnections: spec.MaxConnections,
		Retry:          t.retry,
	}
	here, there := spec.Listen, spec.Target
	switch spec.Kind {
	case profiles.Remote:
		f.Listen = func(ctx context.Context) (net.Listener, error) {
			return t.link.Listen(ctx, here.Host, here.Port)
		}
		f.Dial = func(ctx context.Context, _ net.Addr) (net.Conn, error) {
			return forward.DialTCP(ctx, there.Host, there.Port)
		}
	default:
		f.Listen = func(ctx context.Context) (net.Listener, error) {
			return forward.ListenTCP(ctx, here.Host, here.Port)
		}
		f.Dial = func(ctx context.Context, origin net.Addr) (net.Conn, error) {
			return t.link.Dial(ctx, there.Host, there.Port, origin, spec.Hold)
		}
	}
	f.Changed = func(s forward.Status) { t.journal.forward(t.name, spec.Name, s) }
	f.Failed = func(err error) { t.journal.connection(t.name, spec.Name, err) }
	return f
}

// retry is the wait before the nth listen in a row that failed.
func (t *tunnel) retry(err error, n int) time.Duration {
	if fault.CodeOf(err) == fault.ListenInUse {
		return listenAgain
	}
	return t.link.Target().Backoff.Wait(n, nil)
}

// serverName is user@host:port.
func serverName(p profiles.Profile) string {
	return fmt.Sprintf("%s@%s", p.Server.User, profiles.Address{Network: profiles.TCP, Host: p.Server.Host, Port: p.Server.Port})
}
