package identity

import (
	"crypto/x509"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// nextKey offers the next key, or nil when there is none left.
func (l *Login) nextKey() ssh.AuthMethod {
	for len(l.offers) > 0 {
		o := l.offers[0]
		l.offers = l.offers[1:]
		if o.public == nil && !l.reveal(o) {
			continue
		}
		l.current = o
		l.attempt(Attempt{Method: methodPublicKey, Type: o.public.Type(), Fingerprint: o.fingerprint(), From: o.from})
		return ssh.PublicKeys(o)
	}
	return nil
}

// reveal opens a key whose public half only the private one tells.
func (l *Login) reveal(o *offer) bool {
	signer, err := o.open()
	if err == nil {
		o.public = signer.PublicKey()
		o.algorithms, err = l.creds.algorithms(o.public, o.from)
	}
	if o.err = err; err != nil {
		l.cannotSign(o)
	}
	return err == nil
}

// cannotSign keeps why a key is of no use though the server would take it.
func (l *Login) cannotSign(o *offer) {
	f := fault.As(o.err)
	if f == nil {
		f = fault.New(fault.AgentUnavailable, fault.Auth, "signing with the key from %s: %s", o.from, fault.Clean(o.err.Error())).
			WithHint("see whether the agent still has the key: ssh-add -l; a key with a button waits for it to be touched")
	}
	l.problem(f)
	switch f.Code {
	case fault.NeedsPassphrase, fault.BadPassphrase, fault.AgentUnavailable:
		l.want(f)
	}
}

// unlock opens a key file with what is kept in memory, with the stored
// passphrase, or with one that a person gives. It tries once in a login, though
// a key is offered twice where it has a certificate.
func (l *Login) unlock(k *keyFile) (ssh.Signer, error) {
	if k.signer == nil && k.failed == nil {
		k.failed = l.open(k)
	}
	return k.signer, k.failed
}

func (l *Login) open(k *keyFile) error {
	kept := keptAs(k)
	if s := l.creds.Memory.signer(kept); s != nil {
		k.public, k.signer = s.PublicKey(), s
		return nil
	}
	if !l.creds.Passphrase.Prompts() {
		return l.openStored(k)
	}
	text := "Passphrase of the key " + k.path + ":"
	for n := range maxAsked {
		passphrase, err := l.creds.askSecret(l.ctx, fault.NeedsPassphrase, text, n > 0)
		if err != nil {
			return fault.New(fault.NeedsPassphrase, fault.Auth, "the key %s has a passphrase: %w", k.path, err)
		}
		err = k.unlock([]byte(passphrase))
		if err == nil {
			l.creds.Memory.keepSigner(kept, k.signer)
			return nil
		}
		if !errors.Is(err, x509.IncorrectPasswordError) {
			return unreadable(k, err)
		}
	}
	wrong := fmt.Errorf("%d passphrases did not open the key %s", maxAsked, k.path)
	open := l.creds.secretQuestion(fault.NeedsPassphrase, text) // the next attempt asks it again
	return fault.New(fault.NeedsPassphrase, fault.Auth, "%w", &Unanswered{open, wrong})
}

func (l *Login) openStored(k *keyFile) error {
	passphrase, err := l.creds.Secrets.Resolve(l.ctx, l.creds.Passphrase)
	if err != nil {
		return secretFault(fault.BadPassphrase, err)
	}
	defer clear(passphrase)
	err = k.unlock(passphrase)
	switch {
	case errors.Is(err, x509.IncorrectPasswordError):
		return fault.New(fault.BadPassphrase, fault.Auth, "the passphrase in %s does not open the key %s", l.creds.Passphrase, k.path)
	case err != nil:
		return unreadable(k, err)
	}
	return nil
}

// keptAs is the name of a key in Memory.
func keptAs(k *keyFile) string {
	if k.public == nil {
		return FilesSignature([]string{k.path})
	}
	return ssh.FingerprintSHA256(k.public)
}

func unreadable(k *keyFile, err error) error {
	return fault.New(fault.KeyUnreadable, fault.Auth, "%s: %s", k.path, fault.Clean(err.Error()))
}
