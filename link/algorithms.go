package link

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"tunneld/identity"
)

// Algorithms restricts what is negotiated. An empty list means the defaults; a
// list of "+name" adds to them; any other list stands for itself, in order.
type Algorithms struct {
	KeyExchanges []string
	Ciphers      []string
	MACs         []string
	HostKeys     []string
}

// DefaultAlgorithms are modern: no SHA-1, no CBC, a post-quantum key exchange
// first, and AES-GCM before ChaCha20, which costs two to four times the
// processor time in Go.
func DefaultAlgorithms() Algorithms {
	s := ssh.SupportedAlgorithms()
	return Algorithms{
		KeyExchanges: s.KeyExchanges,
		Ciphers:      s.Ciphers,
		MACs:         slices.DeleteFunc(s.MACs, func(m string) bool { return m == ssh.HMACSHA1 }),
		HostKeys: append([]string{
			ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
			ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
		}, slices.DeleteFunc(s.HostKeys, func(a string) bool { return !strings.Contains(a, "-cert-v0") })...),
	}
}

// KnownAlgorithms are all that a profile may name, the broken ones included,
// under the names of the profile's keys.
func KnownAlgorithms() map[string][]string {
	s, i := ssh.SupportedAlgorithms(), ssh.InsecureAlgorithms()
	return map[string][]string{
		"kex":                 append(s.KeyExchanges, i.KeyExchanges...),
		"ciphers":             append(s.Ciphers, i.Ciphers...),
		"macs":                append(s.MACs, i.MACs...),
		"host_key_algorithms": append(s.HostKeys, i.HostKeys...),

		"public_key_algorithms": identity.PublicKeyAlgorithms(),
	}
}

// Warnings returns what is dangerous in t, in a sentence each, for status.
func (t Target) Warnings() []string {
	var warnings []string
	broken := ssh.InsecureAlgorithms()
	for _, list := range []struct {
		key           string
		named, broken []string
	}{
		{"kex", t.Algorithms.KeyExchanges, broken.KeyExchanges},
		{"ciphers", t.Algorithms.Ciphers, broken.Ciphers},
		{"macs", t.Algorithms.MACs, append(broken.MACs, ssh.HMACSHA1)},
		{"host_key_algorithms", t.Algorithms.HostKeys, broken.HostKeys},
	} {
		for _, n := range list.named {
			if name := strings.TrimPrefix(n, "+"); slices.Contains(list.broken, name) {
				warnings = append(warnings, fmt.Sprintf("%s is broken: take it out of link.%s once the server has something better", name, list.key))
			}
		}
	}
	return append(warnings, t.Credentials.Warnings()...)
}

// resolve returns the four lists that are offered.
func (a Algorithms) resolve() Algorithms {
	d := DefaultAlgorithms()
	return Algorithms{
		KeyExchanges: choose(a.KeyExchanges, d.KeyExchanges),
		Ciphers:      choose(a.Ciphers, d.Ciphers),
		MACs:         choose(a.MACs, d.MACs),
		HostKeys:     choose(a.HostKeys, d.HostKeys),
	}
}

func choose(named, defaults []string) []string {
	var added, own []string
	for _, n := range named {
		if name, ok := strings.CutPrefix(n, "+"); ok {
			added = append(added, name)
		} else {
			own = append(own, n)
		}
	}
	if len(own) == 0 {
		own = defaults
	}
	return slices.Concat(own, added)
}
