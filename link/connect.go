package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/identity"
)

// clientVersion is our identification string (RFC 4253 section 4.2).
const clientVersion = "SSH-2.0-tunneld"

// bannerLimit is how many banners (RFC 4252 section 5.4) one login may bring.
const bannerLimit = 20

// errSlow ends an attempt at its deadline.
var errSlow = errors.New("no answer in time")

// connect runs steps 1 to 3 under one deadline. Its errors are *fault.Error,
// unless ctx ended.
func (l *Link) connect(ctx context.Context, t Target) (*conn, error) {
	if l.Admit != nil {
		leave, err := l.Admit(ctx, t.address())
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	limit := t.ConnectTimeout
	if limit <= 0 {
		limit = 15 * time.Second
	}
	timed, cancel := context.WithTimeoutCause(ctx, limit, errSlow)
	defer cancel()
	known, err := t.HostKeys.Lookup(t.Host, t.Port)
	if err != nil {
		return nil, err
	}
	for _, bad := range known.Bad {
		l.step(fault.HostKey, "known_hosts line skipped", bad.String())
	}
	raw, err := l.transport(timed, t)
	if err != nil {
		return nil, dialError(timed, t, err)
	}
	l.step(fault.Connect, "connected", raw.RemoteAddr().String())
	c, err := l.handshake(timed, t, known, raw)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return c, err
}

// transport opens the byte stream to the server.
func (l *Link) transport(ctx context.Context, t Target) (net.Conn, error) {
	network := map[string]string{"inet": "tcp4", "inet6": "tcp6"}[t.AddressFamily]
	if network == "" {
		network = "tcp"
	}
	if l.DialContext != nil {
		return l.DialContext(ctx, network, t.address())
	}
	d := net.Dialer{}
	if t.BindAddress != "" {
		local, err := net.ResolveTCPAddr(network, net.JoinHostPort(t.BindAddress, "0"))
		if err != nil {
			return nil, err
		}
		d.LocalAddr = local
	}
	return d.DialContext(ctx, network, t.address())
}

// handshake is what happens on the transport up to the end of authentication.
type handshake struct {
	link   *Link
	target Target
	known  *identity.Known
	wire   *wire
	offer  Algorithms

	mu      sync.Mutex      // guards what follows: a rekeying calls verify again
	login   *identity.Login // nil before authentication
	step    fault.Step      // the step that was begun last
	key     ssh.PublicKey
	verdict identity.Verdict
	keyErr  error // why the host key was not accepted
	banners int
}

func (l *Link) handshake(ctx context.Context, t Target, known *identity.Known, raw net.Conn) (*conn, error) {
	h := &handshake{link: l, target: t, known: known, wire: newWire(raw, l.now), step: fault.Version, offer: t.Algorithms.resolve()}
	stop := context.AfterFunc(ctx, func() { h.wire.Close() }) // jump hosts know no deadlines
	defer stop()
	defer h.endLogin()
	sc, channels, requests, err := ssh.NewClientConn(h.wire, t.address(), h.config(ctx))
	if err != nil {
		h.wire.Close()
		return nil, h.explain(ctx, err)
	}
	if !stop() { // the deadline came with the last byte
		sc.Close()
		return nil, h.explain(ctx, errSlow)
	}
	peer := h.peer(sc)
	l.step(fault.Auth, "authenticated", peer.Login.String())
	return newConn(l, t, h.wire, sc, channels, requests, peer), nil
}

func (h *handshake) config(ctx context.Context) *ssh.ClientConfig {
	return &ssh.ClientConfig{
		Config: ssh.Config{
			KeyExchanges: h.offer.KeyExchanges,
			Ciphers:      h.offer.Ciphers,
			MACs:         h.offer.MACs,
		},
		User:              h.target.User,
		ClientVersion:     clientVersion,
		HostKeyAlgorithms: h.known.Algorithms(h.offer.HostKeys),
		HostKeyCallback:   h.verify,
		AuthCallback: func(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
			return h.authenticate(ctx, c)
		},
		BannerCallback: h.banner,
	}
}

// verify is the ssh.HostKeyCallback. It runs at the first key exchange and at
// every later one, where the key must be the same.
func (h *handshake) verify(_ string, _ net.Addr, key ssh.PublicKey) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.key != nil {
		if string(h.key.Marshal()) != string(key.Marshal()) {
			return fault.New(fault.HostKeyChanged, fault.HostKey, "the server changed its host key within the connection")
		}
		return nil
	}
	h.step = fault.HostKey
	verdict, err := h.known.Check(key, h.link.now())
	if err != nil {
		h.keyErr = err
		return err
	}
	h.key, h.verdict = key, verdict
	h.link.step(fault.HostKey, "host key verified", verdict.Type+" "+verdict.Fingerprint+" "+verdict.Source)
	return nil
}

// authenticate is the ssh.ClientAuthCallback. Only here, behind a verified host
// key, are keys read and the agent asked.
func (h *handshake) authenticate(ctx context.Context, c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	h.mu.Lock()
	if h.login == nil {
		h.step = fault.Auth
		h.login = h.target.Credentials.Begin(ctx)
		h.login.Tried = h.tried
	}
	login := h.login
	h.mu.Unlock()
	return login.Next(c)
}

func (h *handshake) endLogin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.login != nil {
		h.login.Close()
	}
}

// banner is the ssh.BannerCallback.
func (h *handshake) banner(text string) error {
	h.mu.Lock()
	h.banners++
	n := h.banners
	h.mu.Unlock()
	if n > bannerLimit {
		return fmt.Errorf("more than %d banners", bannerLimit)
	}
	h.link.step(fault.Auth, "banner", fault.Clean(text))
	return nil
}

func (h *handshake) tried(a identity.Attempt) {
	if a.Result != identity.Accepted {
		h.link.step(fault.Auth, "authentication attempt", a.String()+": "+string(a.Result))
	}
}

func (h *handshake) peer(sc ssh.Conn) Peer {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := Peer{
		Address: h.wire.RemoteAddr().String(),
		Version: fault.Clean(string(sc.ServerVersion())),
		HostKey: h.verdict,
		Login:   identity.Attempt{Method: "none", Result: identity.Accepted},
	}
	if h.login != nil {
		p.Login = h.login.Done()
	}
	if m, ok := sc.(ssh.AlgorithmsConnMetadata); ok {
		a := m.Algorithms()
		p.KeyExchange, p.Cipher = a.KeyExchange, a.Read.Cipher
	}
	return p
}
