package identity

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// Check verifies the key that the server shows. In this order:
//
//   - a revoked key, or a certificate of a revoked authority, is refused;
//   - with pins, the key, or the certified key, must be one of them;
//   - a valid certificate of a known authority is accepted;
//   - else the plain key must be a known one: a certificate that nobody vouches
//     for, or that is not valid, is as good as its key, as in ssh.
//
// Its error has one of the codes host_key_unknown, host_key_changed and
// host_key_revoked, and may hold an [*Unknown]. A key of another type than the
// known ones is changed, not unknown: else who can stand in for the server
// needs only a new type.
func (k *Known) Check(key ssh.PublicKey, now time.Time) (Verdict, error) {
	plain, cert := key, (*ssh.Certificate)(nil)
	if c, ok := key.(*ssh.Certificate); ok {
		plain, cert = c.Key, c
	}
	if err := k.checkRevoked(plain, cert); err != nil {
		return Verdict{}, err
	}
	if len(k.policy.Fingerprints) > 0 {
		return k.checkPin(plain)
	}
	var invalid error
	if ca := k.authority(cert); ca != nil {
		if invalid = checkCert(cert, k.principal, now); invalid == nil {
			return Verdict{Fingerprint: ssh.FingerprintSHA256(plain), Type: cert.Type(), Source: ca.at()}, nil
		}
		invalid = k.certError(ca, invalid)
	}
	v, err := k.checkPlain(plain)
	var unknown *Unknown
	switch {
	case err != nil && invalid != nil:
		return Verdict{}, invalid
	case k.policy.AcceptNew && errors.As(err, &unknown) && len(unknown.Known) == 0:
		return k.acceptNew(unknown)
	}
	return v, err
}

func (k *Known) checkRevoked(plain ssh.PublicKey, cert *ssh.Certificate) error {
	e := k.revocation(plain)
	if e == nil && cert != nil {
		e = k.revocation(cert.SignatureKey)
	}
	if e == nil {
		return nil
	}
	return fault.New(fault.HostKeyRevoked, fault.HostKey, "%s shows %s %s, which %s revokes", k.name, plain.Type(), ssh.FingerprintSHA256(plain), e.at())
}

// revocation returns the entry that revokes the key, or nil.
func (k *Known) revocation(key ssh.PublicKey) *knownKey {
	for _, list := range [][]knownKey{k.entries, k.portless} {
		for i, e := range list {
			if e.marker == markerRevoked && sameKey(e.key, key) {
				return &list[i]
			}
		}
	}
	return nil
}

func (k *Known) checkPin(key ssh.PublicKey) (Verdict, error) {
	v := Verdict{Fingerprint: ssh.FingerprintSHA256(key), Type: key.Type(), Source: "pin"}
	if slices.Contains(k.policy.Fingerprints, v.Fingerprint) {
		return v, nil
	}
	return Verdict{}, fault.New(fault.HostKeyChanged, fault.HostKey, "%s shows %s %s, which is none of host_key.fingerprints", k.name, v.Type, v.Fingerprint).
		WithHint("compare the fingerprint with the administrator before anything else, then add it to host_key.fingerprints; a server with several keys may show another one than the pinned")
}

// checkPlain looks for the key among the plain entries. Those of the plain host
// are asked only where none of the port contradicts.
func (k *Known) checkPlain(key ssh.PublicKey) (Verdict, error) {
	e := findKey(k.entries, key)
	u := &Unknown{Name: k.name, Key: key, Known: k.others(key), files: k.policy.Files}
	switch {
	case e == nil && len(u.Known) > 0:
		return Verdict{}, fault.New(fault.HostKeyChanged, fault.HostKey, "%w", u)
	case e == nil:
		e = findKey(k.portless, key)
	}
	if e == nil {
		return Verdict{}, fault.New(fault.HostKeyUnknown, fault.HostKey, "%w", u)
	}
	return Verdict{Fingerprint: ssh.FingerprintSHA256(key), Type: key.Type(), Source: e.at()}, nil
}

// findKey returns the plain entry that has the key, or nil.
func findKey(entries []knownKey, key ssh.PublicKey) *knownKey {
	i := slices.IndexFunc(entries, func(e knownKey) bool { return e.marker == "" && sameKey(e.key, key) })
	if i < 0 {
		return nil
	}
	return &entries[i]
}

// others lists the plain entries of other keys.
func (k *Known) others(key ssh.PublicKey) (others []KnownKey) {
	for _, e := range k.entries {
		if e.marker == "" && !sameKey(e.key, key) {
			others = append(others, KnownKey{File: e.file, Line: e.line, Type: e.key.Type(), Fingerprint: ssh.FingerprintSHA256(e.key)})
		}
	}
	return others
}
