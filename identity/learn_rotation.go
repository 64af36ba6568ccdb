package identity

import (
	"fmt"
	"os"
	"slices"

	"golang.org/x/crypto/ssh"
)

// Unlearned returns those of a server's keys that the files do not have, and
// that [HostKeys.Update] would learn once they are proved. It is empty where
// Update would do nothing, or the files cannot be read.
func (h HostKeys) Unlearned(name string, keys []ssh.PublicKey) []ssh.PublicKey {
	k, err := h.rotating(name, keys)
	if err != nil || k == nil {
		return nil
	}
	return k.unlearned(keys)
}

// Update follows a server that rotates its host keys (UpdateHostKeys of
// ssh_config(5)): of keys, all that the server named, those that are missing are
// learned, and what the files have for name beside them is forgotten. The missing
// ones must be among proved, those that [HostKeys.Unlearned] returned and
// [VerifyProofs] accepted on a connection whose own host key was checked. It
// returns the files that it wrote.
//
// It does nothing, as ssh does, unless the server is known by plain lines of its
// own: not with pins; not where an authority, a revocation, a wildcard or a line
// with several names is about it; not where none of keys is known; not where
// somebody has removed one of them since the proofs were asked for. Files of
// other users are left alone. Lines that have the same keys under other names
// are neither looked for nor changed, and addresses are not recorded.
func (h HostKeys) Update(name string, keys, proved []ssh.PublicKey) (paths []string, err error) {
	if paths, err = h.update(name, keys, proved); err != nil {
		return paths, fmt.Errorf("update the keys of %s: %w", name, err)
	}
	return paths, nil
}

func (h HostKeys) update(name string, keys, proved []ssh.PublicKey) ([]string, error) {
	k, err := h.rotating(name, keys)
	if err != nil || k == nil {
		return nil, err
	}
	change := edit{name: k.name, add: k.unlearned(keys), drop: func(old ssh.PublicKey) bool { return !containsKey(keys, old) }}
	if slices.ContainsFunc(change.add, func(key ssh.PublicKey) bool { return !containsKey(proved, key) }) {
		return nil, nil
	}
	stale := slices.DeleteFunc(k.dropped(change), func(e knownKey) bool { return !ours(e.file) })
	if len(stale)+len(change.add) == 0 {
		return nil, nil
	}
	return h.rewrite(change, filesOf(stale))
}

// rotating returns what is known of a server whose keys may be updated, or nil.
func (h HostKeys) rotating(name string, keys []ssh.PublicKey) (*Known, error) {
	if len(h.Fingerprints) > 0 || len(h.Files) == 0 || !ours(h.Files[0]) {
		return nil, nil
	}
	k, err := h.known(name)
	if err != nil {
		return nil, err
	}
	simple := func(e knownKey) bool { return e.marker == "" && e.names(k.name) }
	isKnown := func(key ssh.PublicKey) bool { return findKey(k.entries, key) != nil }
	for _, e := range k.entries {
		if !simple(e) {
			return nil, nil
		}
	}
	if !slices.ContainsFunc(keys, isKnown) {
		return nil, nil
	}
	return k, nil
}

func (k *Known) unlearned(keys []ssh.PublicKey) (missing []ssh.PublicKey) {
	for _, key := range keys {
		if findKey(k.entries, key) == nil {
			missing = append(missing, key)
		}
	}
	return missing
}

// ours reports whether we may edit a file unasked. One that does not exist will
// be ours.
func ours(file string) bool {
	info, err := os.Stat(file)
	return err != nil || ownedByUs(info)
}
