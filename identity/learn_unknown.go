package identity

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Unknown is the cause of host_key_unknown, and of host_key_changed where lines
// of known_hosts contradict the key. It carries what a person needs to decide,
// and what [HostKeys.Learn] and [HostKeys.Replace] need to do it. A key that is
// not among the pins, or an invalid certificate, has no such cause: no line of
// known_hosts would help.
type Unknown struct {
	Name  string        // as known_hosts names the server: host or [host]:port
	Key   ssh.PublicKey // what it shows; of a certificate, the certified key
	Known []KnownKey    // the lines that contradict; none for a server never seen

	files []string
}

// KnownKey is a line of a known_hosts file that has a key.
type KnownKey struct {
	File        string
	Line        int // from 1
	Type        string
	Fingerprint string // SHA256:...
}

// Error names the server, the key and what is known instead: the key of the same
// type first, which is what a person compares with.
func (u *Unknown) Error() string {
	shown := fmt.Sprintf("%s shows %s %s", u.Name, u.Key.Type(), ssh.FingerprintSHA256(u.Key))
	switch {
	case len(u.Known) > 0:
		i := slices.IndexFunc(u.Known, func(k KnownKey) bool { return k.Type == u.Key.Type() })
		old := u.Known[max(i, 0)]
		return fmt.Sprintf("%s, but %s:%d has %s %s", shown, old.File, old.Line, old.Type, old.Fingerprint)
	case len(u.files) == 0:
		return shown + ", and no known_hosts file is named"
	default:
		return shown + ", which is not in " + strings.Join(u.files, ", ")
	}
}
