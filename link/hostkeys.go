package link

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/identity"
)

// The requests of OpenSSH's host key rotation (PROTOCOL section 2.5).
const (
	hostKeysRequest = "hostkeys-00@openssh.com"
	proveRequest    = "hostkeys-prove-00@openssh.com"
)

// hearHostKeys keeps the first list of the server's keys for updateHostKeys. A
// server has no reason to send another: each would cost proofs and a look at
// the files.
func (c *conn) hearHostKeys(payload []byte) {
	select {
	case c.rotated <- payload:
	default:
	}
}

// updateHostKeys follows the server's rotation of its host keys once, where the
// target wants that. What goes wrong is told, and is never the end of the link.
func (c *conn) updateHostKeys() {
	if !c.target.UpdateHostKeys {
		return
	}
	select {
	case <-c.dead:
	case payload := <-c.rotated:
		if err := c.learnHostKeys(payload); err != nil && !c.isDead() {
			c.tell(fault.HostKey, "host keys not learned", fault.Clean(err.Error()))
		}
	}
}

// learnHostKeys has the keys proved that are not known yet, and learns them.
func (c *conn) learnHostKeys(payload []byte) error {
	keys, err := identity.ParseHostKeys(payload)
	if err != nil {
		return err
	}
	name := c.target.knownName()
	missing := c.target.HostKeys.Unlearned(name, keys)
	if len(missing) > 0 {
		if err := c.proveHostKeys(missing); err != nil {
			return err
		}
	}
	files, err := c.target.HostKeys.Update(name, keys, missing)
	if err != nil || len(files) == 0 {
		return err
	}
	words := []string{"in " + strings.Join(files, ", ")}
	for _, key := range missing {
		words = append(words, key.Type()+" "+ssh.FingerprintSHA256(key))
	}
	c.tell(fault.HostKey, "host keys learned", strings.Join(words, " "))
	return nil
}

// knownName is what known_hosts calls the server (see [identity.Unknown]).
func (t Target) knownName() string {
	switch {
	case t.HostKeys.Alias != "":
		return t.HostKeys.Alias
	case t.Port == 22:
		return t.Host
	default:
		return fmt.Sprintf("[%s]:%d", t.Host, t.Port)
	}
}

func (c *conn) proveHostKeys(keys []ssh.PublicKey) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), requestTimeout, errSlow)
	defer cancel()
	ok, proofs, err := c.request(ctx, proveRequest, identity.ProofRequest(keys), nil)
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("the server does not prove its new host keys")
	}
	return identity.VerifyProofs(c.ssh.SessionID(), keys, proofs)
}
