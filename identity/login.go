package identity

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// Result is what the server answered to an attempt.
type Result string

// The results of an attempt (RFC 4252 section 5.1).
const (
	Rejected Result = "rejected"
	Partial  Result = "partial success"
	Accepted Result = "accepted"
)

// Attempt is one offer of a credential.
type Attempt struct {
	Method      string // publickey
	Type        string // the key's type
	Fingerprint string // SHA256:...
	From        string // a path, or "agent"
	Result      Result
	Allowed     []string // what the server accepts next
}

// String describes the attempt for people.
func (a Attempt) String() string {
	return fmt.Sprintf("%s %s %s from %s", a.Method, a.Type, a.Fingerprint, a.From)
}

// Login is one run through authentication: RFC 4252, one key at a time.
type Login struct {
	// Tried, if not nil, hears of every attempt once the server has answered.
	Tried func(Attempt)

	mu       sync.Mutex
	keys     []candidate // not yet offered
	problems []*fault.Error
	attempts []Attempt
	pending  bool // the last attempt has no answer yet
	allowed  []string
	close    func()
}

// Begin gathers the keys for one login. The agent's connection ends with ctx,
// or with Close.
func (c Credentials) Begin(ctx context.Context) *Login {
	l := &Login{}
	l.keys, l.problems, l.close = c.gather(ctx)
	return l
}

// Close ends the agent's connection.
func (l *Login) Close() { l.close() }

// Next is the ssh.ClientAuthCallback: it notes the answer to the last attempt
// and offers the next key. Its error is the reason why the login failed.
func (l *Login) Next(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.allowed = cleanAll(c.AllowedMethods)
	result := Rejected
	if n := len(c.PartialSuccessMethods); n > 0 && n > l.partials() {
		result = Partial
	}
	l.answered(result)
	if !slices.Contains(c.AllowedMethods, "publickey") || len(l.keys) == 0 {
		return nil, l.failure()
	}
	next := l.keys[0]
	l.keys = l.keys[1:]
	key := next.signer.PublicKey()
	l.attempts = append(l.attempts, Attempt{Method: "publickey", Type: key.Type(), Fingerprint: ssh.FingerprintSHA256(key), From: next.from})
	l.pending = true
	return ssh.PublicKeys(next.signer), nil
}

// Done notes that the server accepted the last attempt, and returns it. It
// follows a call of Next.
func (l *Login) Done() Attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered(Accepted)
	return l.attempts[len(l.attempts)-1]
}

// Attempts returns what was tried so far.
func (l *Login) Attempts() []Attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.attempts)
}

func (l *Login) partials() (n int) {
	for _, a := range l.attempts {
		if a.Result == Partial {
			n++
		}
	}
	return n
}

func (l *Login) answered(r Result) {
	if !l.pending {
		return
	}
	l.pending = false
	last := &l.attempts[len(l.attempts)-1]
	last.Result, last.Allowed = r, l.allowed
	if l.Tried != nil {
		l.Tried(*last)
	}
}

// failure tells why there is nothing left to offer. What the server rejected
// weighs more than what could not be used here, unless something is locked:
// then a person can open it.
func (l *Login) failure() error {
	accepts := strings.Join(l.allowed, ", ")
	for _, p := range l.problems {
		if p.Code == fault.NeedsPassphrase {
			return p
		}
	}
	var tried []string
	for _, a := range l.attempts {
		tried = append(tried, a.String())
	}
	switch {
	case !slices.Contains(l.allowed, "publickey"):
		return fault.New(fault.AuthRejected, fault.Auth, "the server accepts %s, not publickey", accepts).
			WithHint("ask the server's administrator to allow PubkeyAuthentication for this account")
	case len(tried) > 0:
		return fault.New(fault.AuthRejected, fault.Auth, "server accepts %s; it rejected %s%s", accepts, strings.Join(tried, ", "), l.unused())
	case len(l.problems) > 0:
		return l.problems[len(l.problems)-1]
	default:
		return fault.New(fault.AuthRejected, fault.Auth, "server accepts %s, and there is no key to offer", accepts).
			WithHint("make a key with ssh-keygen -t ed25519, or name one in auth.identity_files")
	}
}

func (l *Login) unused() string {
	var b strings.Builder
	for _, p := range l.problems {
		b.WriteString("; not used: " + p.Message)
	}
	return b.String()
}

func cleanAll(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fault.Clean(n)
	}
	return out
}
