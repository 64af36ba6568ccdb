package identity

import (
	"context"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// agentKeyLimit is how many keys of the agent are offered that no file names:
// sshd's MaxAuthTries, 6 by default, counts every one.
const agentKeyLimit = 5

// gathering collects the keys of one login.
type gathering struct {
	Credentials
	login    *Login
	agent    agentKeys
	certs    []*certificate // that the user named
	used     map[*certificate]bool
	offers   []*offer
	problems []*fault.Error
}

// gather reads the files and asks the agent. The offers stand in the order of
// preference; problems tell what could not be used. The agent is to be closed.
func (c Credentials) gather(ctx context.Context, l *Login) ([]*offer, []*fault.Error, agentKeys) {
	g := &gathering{Credentials: c, login: l, used: map[*certificate]bool{}}
	if c.Agent != "" {
		a, err := openAgent(ctx, c.Agent)
		g.agent = a
		g.problem(err)
	}
	certs, problems := c.certificates()
	g.certs, g.problems = certs, append(g.problems, problems...)
	for _, path := range c.Files {
		if c.Named || exists(path) {
			g.addFile(path)
		}
	}
	g.addAgent()
	for _, cert := range g.certs {
		if !g.used[cert] {
			g.problem(fault.New(fault.KeyUnreadable, fault.Auth, "there is no key for the certificate %s", cert.path).
				WithHint("name the key's file in auth.identity_files, or add the key to the agent"))
		}
	}
	return g.offers, g.problems, g.agent
}

func (g *gathering) problem(err error) {
	if err != nil {
		g.problems = append(g.problems, fault.As(err))
	}
}

// addFile offers the key in path. The agent signs where it has the key, so that
// a passphrase given once to the agent is enough.
func (g *gathering) addFile(path string) {
	k, err := readKeyFile(path, g.Secrets.places()...)
	if err != nil {
		g.problem(err)
		return
	}
	beside, err := g.certificateBeside(path, k.public)
	g.problem(err)
	if k.public == nil && beside != nil {
		k.public = beside.Key
	}
	switch signer := g.agent.find(k.public); {
	case signer != nil:
		g.add(k.public, path+" in the agent", beside, already(signer))
	case k.signer != nil:
		g.add(k.public, path, beside, already(k.signer))
	case k.locked != nil:
		g.add(k.public, path, beside, func() (ssh.Signer, error) { return g.login.unlock(k) })
	case k.token:
		g.problem(fault.New(fault.AgentUnavailable, fault.Auth, "the agent does not have the security key %s", path).
			WithHint("ssh-add %s", path))
	default:
		g.problem(fault.New(fault.AgentUnavailable, fault.Auth, "%s is a public key, and the agent does not have its private half", path).
			WithHint("ssh-add the private key, or name its file in auth.identity_files"))
	}
}

// addAgent offers the keys of the agent that no file names.
func (g *gathering) addAgent() {
	more := 0
	for _, s := range g.agent.keys {
		key := s.PublicKey()
		if g.has(key) || g.IdentitiesOnly && !g.certified(key) {
			continue
		}
		if more++; more > agentKeyLimit {
			return
		}
		g.add(key, "agent", nil, already(s))
	}
}

// add offers a key: its certificates first, then itself.
func (g *gathering) add(public ssh.PublicKey, from string, beside *certificate, open func() (ssh.Signer, error)) {
	if public == nil { // known only once it is unlocked
		g.offers = append(g.offers, &offer{from: from, open: open})
		return
	}
	algorithms, err := g.algorithms(public, from)
	if err != nil {
		g.problem(err)
		return
	}
	for _, cert := range g.certs {
		if sameKey(cert.Key, public) {
			g.used[cert] = true
			g.offerOnce(&offer{public: cert.Certificate, from: cert.describe(), algorithms: algorithms, open: open})
		}
	}
	if beside != nil {
		g.offerOnce(&offer{public: beside.Certificate, from: beside.describe(), algorithms: algorithms, open: open})
	}
	g.offerOnce(&offer{public: public, from: from, algorithms: algorithms, open: open})
}

func (g *gathering) offerOnce(o *offer) {
	if !g.has(o.public) {
		g.offers = append(g.offers, o)
	}
}

// has reports whether the key or certificate is offered already.
func (g *gathering) has(public ssh.PublicKey) bool {
	for _, o := range g.offers {
		if o.public != nil && sameKey(o.public, public) {
			return true
		}
	}
	return false
}

// certified reports whether the user named a certificate of the key.
func (g *gathering) certified(public ssh.PublicKey) bool {
	for _, cert := range g.certs {
		if sameKey(cert.Key, public) {
			return true
		}
	}
	return false
}

// already opens what is open.
func already(s ssh.Signer) func() (ssh.Signer, error) {
	return func() (ssh.Signer, error) { return s, nil }
}
