package identity

import (
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// agentKeyLimit is how many keys of the agent are offered when no file is
// named: sshd's MaxAuthTries, 6 by default, counts every one.
const agentKeyLimit = 5

// Credentials says how the user proves who it is.
type Credentials struct {
	Files          []string // private keys, or public keys of keys in the agent
	Named          bool     // Files were written by the user: a missing one is a fault
	IdentitiesOnly bool     // offer no key of the agent that Files do not name
	Agent          string   // the agent's socket or pipe; "" means none
}

// candidate is one key to offer.
type candidate struct {
	signer ssh.Signer
	from   string // a path, or "agent"
}

// gather reads the files and asks the agent. problems tell what could not be
// used, in the order of preference. close ends the agent's connection.
func (c Credentials) gather(ctx context.Context) (found []candidate, problems []*fault.Error, close func()) {
	close = func() {}
	var agentKeys []ssh.Signer
	if c.Agent != "" {
		conn, keys, err := openAgent(ctx, c.Agent)
		if err == nil {
			agentKeys, close = keys, func() { conn.Close() }
		} else {
			problems = append(problems, fault.As(err))
		}
	}
	for _, path := range c.Files {
		if !c.Named && !exists(path) {
			continue
		}
		key, err := readKeyFile(path)
		if err != nil {
			problems = append(problems, fault.As(err))
			continue
		}
		signers, from, problem := key.signers(agentKeys)
		if problem != nil {
			problems = append(problems, problem)
		}
		for _, s := range signers {
			found = append(found, candidate{s, from})
		}
	}
	if !c.IdentitiesOnly {
		found = append(found, fromAgent(agentKeys, found)...)
	}
	return found, problems, close
}

// fromAgent returns the agent's keys that are not in found.
func fromAgent(keys []ssh.Signer, found []candidate) (more []candidate) {
	for _, s := range keys {
		if len(more) == agentKeyLimit {
			break
		}
		known := false
		for _, c := range found {
			known = known || sameKey(c.signer.PublicKey(), s.PublicKey())
		}
		if s, err := modern(s); err == nil && !known {
			more = append(more, candidate{s, "agent"})
		}
	}
	return more
}

// signers returns the ways to use the key: its certificate first, then the
// plain key. The agent signs where it has the key, so that a passphrase given
// once to the agent is enough.
func (k *keyFile) signers(agentKeys []ssh.Signer) (signers []ssh.Signer, from string, problem *fault.Error) {
	signer, from := k.signer, k.path
	for _, s := range agentKeys {
		if k.public != nil && sameKey(s.PublicKey(), k.public) {
			signer, from = s, k.path+" in the agent"
		}
	}
	switch {
	case signer == nil && k.locked:
		return nil, "", fault.New(fault.NeedsPassphrase, fault.Auth, "the key %s has a passphrase", k.path).WithHint("ssh-add %s", k.path)
	case signer == nil:
		return nil, "", fault.New(fault.AgentUnavailable, fault.Auth, "%s is a public key, and the agent does not have its private half", k.path).
			WithHint("ssh-add the private key, or name its file in auth.identity_files")
	}
	signer, err := modern(signer)
	if err != nil {
		return nil, "", fault.New(fault.KeyUnreadable, fault.Auth, "%s: %w", k.path, err)
	}
	if k.cert != nil {
		if cert, err := ssh.NewCertSigner(k.cert, signer); err == nil {
			signers = append(signers, cert)
		}
	}
	return append(signers, signer), from, nil
}

// modern keeps a key to the algorithms that are not broken: RSA signs with
// SHA-2 even where the server does not say what it accepts, and DSA never.
func modern(s ssh.Signer) (ssh.Signer, error) {
	switch s.PublicKey().Type() {
	case ssh.InsecureKeyAlgoDSA:
		return nil, fmt.Errorf("%s keys are broken and not used", ssh.InsecureKeyAlgoDSA)
	case ssh.KeyAlgoRSA:
		if as, ok := s.(ssh.AlgorithmSigner); ok {
			return ssh.NewSignerWithAlgorithms(as, algorithmsOf(ssh.KeyAlgoRSA))
		}
	}
	return s, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// AgentSignature changes whenever the keys in the agent do; "" without an agent.
func (c Credentials) AgentSignature(ctx context.Context) string {
	if c.Agent == "" {
		return ""
	}
	conn, keys, err := openAgent(ctx, c.Agent)
	if err != nil {
		return ""
	}
	conn.Close()
	var b strings.Builder
	for _, k := range keys {
		b.WriteString(ssh.FingerprintSHA256(k.PublicKey()))
	}
	return b.String()
}

// FilesSignature changes whenever one of the files does.
func FilesSignature(files []string) string {
	var b strings.Builder
	for _, path := range files {
		if info, err := os.Stat(path); err == nil {
			fmt.Fprintf(&b, "%s %d %d %o;", path, info.Size(), info.ModTime().UnixNano(), info.Mode())
		}
	}
	return b.String()
}
