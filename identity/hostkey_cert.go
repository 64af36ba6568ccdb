package identity

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// authority returns the entry of the known authority that signed cert, or nil.
func (k *Known) authority(cert *ssh.Certificate) *knownKey {
	if cert == nil {
		return nil
	}
	return k.findCA(func(ca ssh.PublicKey) bool { return sameKey(ca, cert.SignatureKey) })
}

// findCA returns the first entry of an authority for this server that is
// wanted, or nil.
func (k *Known) findCA(wanted func(ssh.PublicKey) bool) *knownKey {
	for _, list := range [][]knownKey{k.entries, k.portless} {
		for i, e := range list {
			if e.marker == markerCA && wanted(e.key) {
				return &list[i]
			}
		}
	}
	return nil
}

// checkCert judges a host certificate of a trusted authority (OpenSSH,
// PROTOCOL.certkeys). Its principals are patterns, as ssh has it. One without
// principals, which would be good for every server, is refused, as OpenSSH has
// it since December 2025; so is a signature with SHA-1.
func checkCert(cert *ssh.Certificate, principal string, now time.Time) error {
	if cert.CertType != ssh.HostCert {
		return errors.New("it is not a host certificate")
	}
	switch cert.Signature.Format {
	case ssh.KeyAlgoRSA, keyTypeDSA:
		return fmt.Errorf("it is signed with %s, which is broken", cert.Signature.Format)
	}
	i := slices.IndexFunc(cert.ValidPrincipals, func(p string) bool { return matchPattern(p, principal) })
	if i < 0 {
		return fmt.Errorf("it is for %q, not for %s", cert.ValidPrincipals, principal)
	}
	// What is left is the time, the critical options (none is known for hosts)
	// and the signature.
	checker := ssh.CertChecker{Clock: func() time.Time { return now }}
	return checker.CheckCert(cert.ValidPrincipals[i], cert)
}

func (k *Known) certError(ca *knownKey, err error) error {
	return fault.New(fault.HostKeyChanged, fault.HostKey, "the host certificate of %s, signed by the authority at %s, is not valid: %s", k.name, ca.at(), fault.Clean(err.Error())).
		WithHint("ask the administrator to renew the server's host certificate for the name %s", k.principal)
}
