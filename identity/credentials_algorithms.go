package identity

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// goodAlgorithms are the signature algorithms of keys that are not broken. RSA
// signs with SHA-2 only (RFC 8332).
var goodAlgorithms = []string{
	ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519,
	ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKECDSA256,
	ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
}

// brokenAlgorithms are used only where the profile names them.
var brokenAlgorithms = []string{ssh.KeyAlgoRSA, keyAlgoDSA}

// keyAlgoDSA is the constant of package ssh, which is deprecated: this package
// knows DSA in order to refuse it.
const keyAlgoDSA = "ssh-dss"

// PublicKeyAlgorithms returns all that Credentials.PublicKeyAlgorithms may
// name, the broken ones last.
func PublicKeyAlgorithms() []string { return slices.Concat(goodAlgorithms, brokenAlgorithms) }

// Warnings returns what is dangerous in c, in a sentence each, for status.
func (c Credentials) Warnings() (warnings []string) {
	for _, a := range c.PublicKeyAlgorithms {
		if name := strings.TrimPrefix(a, "+"); slices.Contains(brokenAlgorithms, name) {
			warnings = append(warnings, fmt.Sprintf("signatures with %s can be forged: take it out of auth.public_key_algorithms once the server accepts a better key", name))
		}
	}
	return warnings
}

// accepts reports whether the algorithm may be used.
func (c Credentials) accepts(algorithm string) bool {
	own := false
	for _, a := range c.PublicKeyAlgorithms {
		name, added := strings.CutPrefix(a, "+")
		if name == algorithm {
			return true
		}
		own = own || !added
	}
	return !own && slices.Contains(goodAlgorithms, algorithm)
}

// algorithms returns the signature algorithms to use with key, best first. Its
// error has the code key_unreadable and names the line that would allow one.
func (c Credentials) algorithms(key ssh.PublicKey, from string) ([]string, error) {
	keyType := plainKey(key).Type()
	all := []string{keyType}
	if keyType == ssh.KeyAlgoRSA {
		all = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA}
	}
	use := slices.DeleteFunc(slices.Clone(all), func(a string) bool { return !c.accepts(a) })
	if len(use) > 0 {
		return use, nil
	}
	why := "is not in auth.public_key_algorithms"
	if slices.Contains(brokenAlgorithms, all[0]) {
		why = "is broken"
	}
	return nil, fault.New(fault.KeyUnreadable, fault.Auth, "%s is not used: its type %s %s", from, keyType, why).
		WithHint("make a better key: ssh-keygen -t ed25519; for a server that takes nothing else, %s", addAlgorithm(all[0]))
}

// notShown tells why the server did not get to see a key. That happens to RSA
// alone: the other types are shown even where the server does not list them.
func notShown(o *offer) *fault.Error {
	return fault.New(fault.AuthRejected, fault.Auth, "the server takes signatures of the RSA key from %s with SHA-1 only, which is broken", o.from).
		WithHint("use another key: ssh-keygen -t ed25519; for a server that takes nothing else, %s", addAlgorithm(ssh.KeyAlgoRSA))
}

func addAlgorithm(name string) string {
	return fmt.Sprintf("add to the profile: auth.public_key_algorithms = [\"+%s\"]", name)
}
