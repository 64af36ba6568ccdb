package identity

import (
	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// passwords is how far a login has come with the method password.
type passwords struct {
	sent     string // waits for the server's answer
	pending  bool
	typed    bool // a person gave the one that was sent
	kept     bool // the kept one was sent
	stored   bool // the stored one was sent, by this method or in a conversation
	asked    int
	unusable bool
}

// answered forgets the last password, in memory too where it was wrong, and
// keeps there the one that a person gave and the server took.
func (p *passwords) answered(r Result, m *Memory) {
	switch {
	case !p.pending:
	case r == Rejected:
		m.dropPassword(p.sent)
	case p.typed:
		m.keepPassword(p.sent)
	}
	p.sent, p.pending, p.typed = "", false, false
}

// nextPassword sends the stored password once, or the kept one, or one that a
// person gives; nil when there is none left (RFC 4252 section 8).
func (l *Login) nextPassword() ssh.AuthMethod {
	p := &l.passwords
	text, from, ok := l.choosePassword()
	if !ok {
		return nil
	}
	p.sent, p.pending = text, true
	l.attempt(Attempt{Method: methodPassword, From: from})
	return ssh.Password(text)
}

func (l *Login) choosePassword() (text, from string, ok bool) {
	p := &l.passwords
	if p.unusable {
		return "", "", false
	}
	if !l.creds.Password.Prompts() {
		if p.stored {
			return "", "", false
		}
		text, ok = l.storedPassword()
		return text, l.creds.Password.String(), ok
	}
	if kept, ok := l.creds.Memory.keptPassword(); ok && !p.kept && p.asked == 0 {
		p.kept = true
		return kept, "memory", true
	}
	if p.asked == maxAsked {
		return "", "", false
	}
	text, err := l.creds.askSecret(l.ctx, fault.NeedsPassword, "password", p.asked > 0)
	if err != nil {
		p.unusable = true
		l.want(fault.New(fault.NeedsPassword, fault.Auth, "the server wants a password: %w", err))
		return "", "", false
	}
	p.asked++
	p.typed = true
	return text, "a person", true
}

// storedPassword resolves the password for its one use.
func (l *Login) storedPassword() (string, bool) {
	l.passwords.stored = true
	secret, err := l.creds.Secrets.Resolve(l.ctx, l.creds.Password)
	if err != nil {
		l.want(secretFault(fault.AuthRejected, err))
		return "", false
	}
	defer clear(secret)
	return string(secret), true
}
