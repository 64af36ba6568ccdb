package link

import (
	"context"
	"net"
	"sync"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/identity"
)

// clientVersion is our identification string (RFC 4253 section 4.2).
const clientVersion = "SSH-2.0-tunneld"

// bannerLimit is how many banners (RFC 4252 section 5.4) one login may bring.
const bannerLimit = 20

// hop is one server, a jump host or the target, on its way through steps 1 to 3.
type hop struct {
	link     *Link
	target   Target
	below    *conn  // the hop that this one is reached through, or nil
	name     string // of a jump host, for its events; "" for the target
	offer    Algorithms
	deadline *deadline
	leave    func() // gives up the place that Admit gave; may be called again
	known    *identity.Known
	wire     *wire

	heardVersion bool // belongs to who reads the wire

	mu      sync.Mutex      // guards what follows: a rekeying calls verify again
	login   *identity.Login // nil before authentication
	step    fault.Step      // the step that was begun last
	key     ssh.PublicKey
	verdict identity.Verdict
	refused error // why we broke off: the host key, or too many banners
	banners int
	said    string // the last banner that came after an attempt: PAM says so why it lets nobody in
}

// shakeHands does everything on the wire up to the end of authentication.
func (h *hop) shakeHands(ctx context.Context) (*conn, error) {
	stop := context.AfterFunc(ctx, func() { h.wire.Close() }) // jump hosts know no deadlines
	defer stop()
	defer h.endLogin()
	sc, channels, requests, err := ssh.NewClientConn(h.wire, h.target.address(), h.config(ctx))
	if err != nil {
		h.wire.Close()
		if lost := h.below.lost(); lost != nil {
			return nil, lost
		}
		return nil, h.explain(ctx, err)
	}
	if !stop() { // the deadline came with the last byte
		sc.Close()
		return nil, h.explain(ctx, errSlow)
	}
	c := newConn(h, sc, channels, requests)
	h.tell(fault.Auth, "authenticated", c.peer.Login.String())
	return c, nil
}

func (h *hop) config(ctx context.Context) *ssh.ClientConfig {
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
func (h *hop) verify(_ string, _ net.Addr, key ssh.PublicKey) error {
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
		h.refused = err
		return err
	}
	h.key, h.verdict = key, verdict
	h.tell(fault.HostKey, "host key verified", verdict.Type+" "+verdict.Fingerprint+" "+verdict.Source)
	return nil
}

// authenticate is the ssh.ClientAuthCallback. Only here, behind a verified host
// key, are keys read and the agent asked. x/crypto calls it too when the
// connection breaks under an attempt, as if that were the server's answer.
func (h *hop) authenticate(ctx context.Context, c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	if err := h.wire.err(); err != nil {
		return nil, err
	}
	h.mu.Lock()
	if h.login == nil {
		h.step = fault.Auth
		creds := h.target.Credentials
		creds.Server = h.target.name()
		if creds.Asker != nil {
			creds.Asker = asker{creds.Asker, h.deadline, h.wire, h.leave}
		}
		h.login = creds.Begin(ctx)
		h.login.Tried = h.tried
	}
	login := h.login
	h.mu.Unlock()
	return login.Next(c)
}

func (h *hop) endLogin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.login == nil {
		return
	}
	h.login.Close()
	for _, p := range h.login.Problems() {
		h.tell(fault.Auth, "credential not used", p.Error())
	}
}

// banner is the ssh.BannerCallback. Its error alone would only end the attempt
// at hand.
func (h *hop) banner(text string) error {
	h.mu.Lock()
	h.banners++
	tooMany := h.banners > bannerLimit
	if tooMany && h.refused == nil {
		h.refused = fault.New(fault.AuthRejected, fault.Auth, "the server sent more than %d banners", bannerLimit)
	}
	if h.login != nil && len(h.login.Attempts()) > 0 {
		h.said = fault.Clean(text)
	}
	err := h.refused
	h.mu.Unlock()
	if tooMany {
		h.wire.Close()
		return err
	}
	h.tell(fault.Auth, "banner", fault.Clean(text))
	return nil
}

// peer is what was found out about the server, once it is authenticated.
func (h *hop) peer(sc ssh.Conn) Peer {
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
