package daemon

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"regexp"
	"strconv"
	"time"

	"tunneld/fault"
	"tunneld/forward"
	"tunneld/identity"
	"tunneld/link"
	"tunneld/profiles"
)

// listenAgain is the wait after a local address was in use.
const listenAgain = 5 * time.Second

// linkTarget is what a profile asks of its link.
func (t *tunnel) linkTarget(p profiles.Profile) link.Target {
	return link.Target{
		Host: p.Server.Host, Port: p.Server.Port, User: p.Server.User,
		BindAddress: p.Server.BindAddress, AddressFamily: p.Server.AddressFamily,
		Jumps: t.jumps(p), DialContext: t.through(p),
		Proxy: p.Server.Proxy, Environ: t.house.me.Secrets.Environ,
		HostKeys: hostKeys(p.HostKey), UpdateHostKeys: p.HostKey.Update,
		Credentials:    t.credentials(p.Auth, profiles.Hop{User: p.Server.User, Host: p.Server.Host, Port: p.Server.Port}),
		Algorithms:     algorithms(p.Link),
		ConnectTimeout: p.Link.ConnectTimeout,
		Keepalive:      p.Link.Keepalive, KeepaliveMisses: p.Link.KeepaliveMisses,
		Backoff:      link.Backoff{Min: p.Link.ReconnectMin, Max: p.Link.ReconnectMax},
		RefusedRetry: p.Link.RefusedRetry,
	}
}

func algorithms(l profiles.Link) link.Algorithms {
	return link.Algorithms{KeyExchanges: l.Kex, Ciphers: l.Ciphers, MACs: l.MACs, HostKeys: l.HostKeyAlgorithms}
}

func hostKeys(h profiles.HostKey) identity.HostKeys {
	return identity.HostKeys{
		Files: h.KnownHosts, Fingerprints: h.Fingerprints, Alias: h.Alias,
		AcceptNew: h.Policy == "accept-new",
	}
}

// credentials are the profile's, with what a person gave for that one server.
func (t *tunnel) credentials(a profiles.Auth, server profiles.Hop) identity.Credentials {
	c := identity.Credentials{
		Methods: a.Methods,
		Files:   a.IdentityFiles, Named: a.IdentityFilesWritten, CertificateFiles: a.CertificateFiles,
		IdentitiesOnly: a.IdentitiesOnly, Agent: t.agent(a),
		PublicKeyAlgorithms: a.PublicKeyAlgorithms,
		Passphrase:          identity.Secret(a.Passphrase), Password: identity.Secret(a.Password),
		Secrets: t.house.me.Secrets, Asker: t.asker(), Memory: t.memoryOf(server),
	}
	for _, answer := range a.Answers {
		if prompt, err := regexp.Compile(answer.Prompt); err == nil { // profiles checked it
			c.Answers = append(c.Answers, identity.Answer{Prompt: prompt, Value: identity.Secret(answer.Value)})
		}
	}
	return c
}

// agent is the socket or pipe of the agent that a profile means; "" is none.
func (t *tunnel) agent(a profiles.Auth) string {
	switch a.Agent {
	case "auto":
		return t.house.me.Agent
	case "none":
		return ""
	default:
		return a.Agent
	}
}

// newForward wires a forward: the kinds differ only in who listens and who
// dials, and in whether a client says where.
func (t *tunnel) newForward(spec profiles.Forward) *forward.Forward {
	f := &forward.Forward{
		Name:           spec.Name,
		MaxConnections: spec.MaxConnections,
		Retry:          t.retry,
	}
	switch {
	case spec.Kind == profiles.Dynamic:
		f.Listen, f.DialTo = t.listenHere(spec), t.dialAnywhereThere(spec)
	case spec.Kind == profiles.Local:
		f.Listen, f.Dial = t.listenHere(spec), t.dialThere(spec)
	case spec.Target.Network == profiles.Socks:
		f.Listen, f.DialTo = t.listenThere(spec.Listen), dialAnywhereHere
	default:
		f.Listen, f.Dial = t.listenThere(spec.Listen), dialHere(spec.Target)
	}
	f.Changed = func(s forward.Status) { t.hearForward(spec.Name, s) }
	f.Failed = func(err error) { t.journal.connection(t.name, spec.Name, err) }
	if f.DialTo == nil { // else one client's success says nothing about another's failure
		f.Recovered = func() { t.journal.connected(t.name, spec.Name) }
	}
	return f
}

// The functions of a Forward.
type (
	listenFunc = func(ctx context.Context) (net.Listener, error)
	dialFunc   = func(ctx context.Context, origin net.Addr) (net.Conn, error)
	dialToFunc = func(ctx context.Context, host string, port int, origin net.Addr) (net.Conn, error)
)

func (t *tunnel) listenHere(spec profiles.Forward) listenFunc {
	here := spec.Listen
	switch here.Network {
	case profiles.Unix:
		mode, _ := strconv.ParseUint(spec.Mode, 8, 32) // profiles checked it
		return func(ctx context.Context) (net.Listener, error) {
			return forward.ListenUnixBy(ctx, t.house.listen, here.Path, fs.FileMode(mode))
		}
	case profiles.Pipe:
		return func(context.Context) (net.Listener, error) { return forward.ListenPipe(here.Path) }
	}
	return func(ctx context.Context) (net.Listener, error) {
		return forward.ListenTCPBy(ctx, t.house.listen, here.Host, here.Port)
	}
}

func dialHere(here profiles.Address) dialFunc {
	switch here.Network {
	case profiles.Unix:
		return func(ctx context.Context, _ net.Addr) (net.Conn, error) { return forward.DialUnix(ctx, here.Path) }
	case profiles.Pipe:
		return func(ctx context.Context, _ net.Addr) (net.Conn, error) { return forward.DialPipe(ctx, here.Path) }
	}
	return func(ctx context.Context, _ net.Addr) (net.Conn, error) {
		return forward.DialTCP(ctx, here.Host, here.Port)
	}
}

func dialAnywhereHere(ctx context.Context, host string, port int, _ net.Addr) (net.Conn, error) {
	return forward.DialTCP(ctx, host, port)
}

func (t *tunnel) listenThere(there profiles.Address) listenFunc {
	if there.Network == profiles.Unix {
		return func(ctx context.Context) (net.Listener, error) { return t.link.ListenUnix(ctx, there.Path) }
	}
	return func(ctx context.Context) (net.Listener, error) { return t.link.Listen(ctx, there.Host, there.Port) }
}

func (t *tunnel) dialThere(spec profiles.Forward) dialFunc {
	there := spec.Target
	if there.Network == profiles.Unix {
		return func(ctx context.Context, _ net.Addr) (net.Conn, error) {
			return t.link.DialUnix(t.countHolds(ctx, spec), there.Path, spec.Hold)
		}
	}
	return func(ctx context.Context, origin net.Addr) (net.Conn, error) {
		return t.link.Dial(t.countHolds(ctx, spec), there.Host, there.Port, origin, spec.Hold)
	}
}

func (t *tunnel) dialAnywhereThere(spec profiles.Forward) dialToFunc {
	return func(ctx context.Context, host string, port int, origin net.Addr) (net.Conn, error) {
		return t.link.Dial(t.countHolds(ctx, spec), host, port, origin, spec.Hold)
	}
}

// countHolds counts for a forward how long its dials wait for the link.
func (t *tunnel) countHolds(ctx context.Context, spec profiles.Forward) context.Context {
	return link.WithHeld(ctx, func(waited time.Duration) { t.house.ledger.held(t.name, spec.Name, waited) })
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
