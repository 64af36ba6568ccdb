package identity

import (
	"sync"

	"golang.org/x/crypto/ssh"
)

// Memory keeps what a person gave, so that a reconnect asks nobody: unlocked
// keys and the password, each until the server rejects it or Forget is called.
// It belongs to one server, since a password must not go to another. The zero
// value is empty, and it may be used by several logins at once.
type Memory struct {
	mu       sync.Mutex
	signers  map[string]ssh.Signer // by fingerprint, or the signature of a file that shows no public half
	password string
	known    bool // there is a password, be it empty
}

// Forget drops everything.
func (m *Memory) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.signers, m.password, m.known = nil, "", false
}

// String says nothing of what is kept.
func (m *Memory) String() string { return "memory" }

// GoString is String, for %#v.
func (m *Memory) GoString() string { return m.String() }

// A nil *Memory keeps nothing.

func (m *Memory) signer(key string) ssh.Signer {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.signers[key]
}

func (m *Memory) keepSigner(key string, s ssh.Signer) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.signers == nil {
		m.signers = map[string]ssh.Signer{}
	}
	m.signers[key] = s
}

// dropSigner forgets the key with that public half, however it was found.
func (m *Memory) dropSigner(public ssh.PublicKey) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, s := range m.signers {
		if sameKey(s.PublicKey(), public) {
			delete(m.signers, key)
		}
	}
}

func (m *Memory) keptPassword() (string, bool) {
	if m == nil {
		return "", false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.password, m.known
}

func (m *Memory) keepPassword(p string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.password, m.known = p, true
}

// dropPassword forgets p, unless another login has kept a newer one.
func (m *Memory) dropPassword(p string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.password == p {
		m.password, m.known = "", false
	}
}
