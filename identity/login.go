package identity

import (
	"context"
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
	Unsigned Result = "accepted, but it could not sign" // a key without its passphrase
	Partial  Result = "partial success"
	Accepted Result = "accepted"
)

// Attempt is one offer of a credential.
type Attempt struct {
	Method      string // publickey, keyboard-interactive or password
	Type        string // the type of the key or certificate
	Fingerprint string // SHA256:... of the key
	From        string // a path, "agent", or where a password comes from
	Result      Result
	Allowed     []string // what the server accepts next
}

// String describes the attempt for people.
func (a Attempt) String() string {
	words := []string{a.Method}
	for _, w := range []string{a.Type, a.Fingerprint} {
		if w != "" {
			words = append(words, w)
		}
	}
	if a.From != "" {
		words = append(words, "from "+a.From)
	}
	return strings.Join(words, " ")
}

// Login is one run through authentication: RFC 4252, one credential at a time.
// Next and Done belong to the goroutine of the handshake; the other methods may
// be called from anywhere.
type Login struct {
	// Tried, if not nil, hears of every attempt once the server has answered.
	Tried func(Attempt)

	creds       Credentials
	ctx         context.Context // of the handshake, since package ssh's callbacks bring none
	offers      []*offer        // not yet shown
	current     *offer          // waits for the server's answer, or nil
	passwords   passwords
	questions   questions
	wanted      *fault.Error // what would let the login go on: it outranks other reasons
	interrupted bool         // in the midst of a method: no other can follow
	agent       agentKeys

	mu       sync.Mutex // guards what follows
	problems []*fault.Error
	attempts []Attempt
	pending  bool     // the last attempt has no answer yet
	allowed  []string // by the server, now
	partials int      // methods that were accepted as one of several
}

// Begin gathers the keys for one login. The agent's connection ends with ctx,
// or with Close. ctx bounds the questions too.
func (c Credentials) Begin(ctx context.Context) *Login {
	l := &Login{creds: c, ctx: ctx}
	l.offers, l.problems, l.agent = c.gather(ctx, l)
	return l
}

// Close ends the login. A password that has no answer counts as rejected: sshd
// hangs up instead of answering at its MaxAuthTries. It must not run at the same
// time as Next or Done.
func (l *Login) Close() {
	l.passwords.answered(Rejected, l.creds.Memory)
	l.agent.close()
}

// Next is the ssh.ClientAuthCallback: it notes the answer to the last attempt
// and chooses the next. Its error is the reason why the login failed.
func (l *Login) Next(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	l.note(c)
	if l.interrupted {
		return nil, l.failure()
	}
	for _, name := range l.creds.methods() {
		if !slices.Contains(c.AllowedMethods, name) {
			continue
		}
		if method := l.try(name); method != nil {
			return method, nil
		}
	}
	return nil, l.failure()
}

// try returns the method, ready with its next credential, or nil when it has
// none left.
func (l *Login) try(name string) ssh.AuthMethod {
	switch name {
	case methodPublicKey:
		return l.nextKey()
	case methodInteractive:
		return l.nextConversation()
	case methodPassword:
		return l.nextPassword()
	default:
		return nil
	}
}

// note takes in the server's answer to the last attempt.
func (l *Login) note(c *ssh.ClientAuthContext) {
	l.mu.Lock()
	l.allowed = cleanAll(c.AllowedMethods)
	result := Rejected
	if n := len(c.PartialSuccessMethods); n > l.partials {
		l.partials, result = n, Partial
	}
	l.mu.Unlock()
	switch o := l.current; {
	case o == nil:
	case !o.shown:
		l.retract(notShown(o))
	case o.err != nil:
		result = Unsigned
		l.cannotSign(o)
	case o.signed && result == Rejected:
		l.creds.Memory.dropSigner(plainKey(o.public))
	}
	l.current = nil
	l.passwords.answered(result, l.creds.Memory)
	l.answered(result)
	if result == Partial { // the next method is another factor, with questions of its own
		l.passwords, l.questions = passwords{}, questions{}
	}
}

// Done notes that the server accepted the last attempt, and returns it. It
// follows a call of Next.
func (l *Login) Done() Attempt {
	l.passwords.answered(Accepted, l.creds.Memory)
	l.answered(Accepted)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.attempts) == 0 {
		return Attempt{Method: "none", Result: Accepted}
	}
	return l.attempts[len(l.attempts)-1]
}

// Attempts returns what was tried so far.
func (l *Login) Attempts() []Attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.attempts)
}

// Problems returns what could not be used, also where another credential was
// accepted: unreadable keys, expired certificates, an agent that is away.
func (l *Login) Problems() []*fault.Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.problems)
}

func (l *Login) problem(f *fault.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.problems = append(l.problems, f)
}

// want keeps the first reason that somebody can do something about.
func (l *Login) want(f *fault.Error) {
	if l.wanted == nil {
		l.wanted = f
	}
}

// attempt opens the record of an attempt.
func (l *Login) attempt(a Attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempts, l.pending = append(l.attempts, a), true
}

// retract takes back an attempt that did not reach the server.
func (l *Login) retract(why *fault.Error) {
	l.problem(why)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempts, l.pending = l.attempts[:len(l.attempts)-1], false
}

// answered closes the record of the last attempt.
func (l *Login) answered(r Result) {
	l.mu.Lock()
	if !l.pending {
		l.mu.Unlock()
		return
	}
	l.pending = false
	last := &l.attempts[len(l.attempts)-1]
	last.Result, last.Allowed = r, l.allowed
	told := *last
	l.mu.Unlock()
	if l.Tried != nil {
		l.Tried(told)
	}
}

func cleanAll(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fault.Clean(n)
	}
	return out
}
