package identity

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// Learn writes that name, in the form of [Unknown], has key: one line, hashed,
// in the first of h.Files, which is made if need be. It returns the file that
// has the key, whether it was there before or not. It never overrides: where a
// file has another key for name the error is host_key_changed, and where the key
// is revoked host_key_revoked. Any number of processes may learn at once.
func (h HostKeys) Learn(name string, key ssh.PublicKey) (path string, err error) {
	if path, err = h.learn(name, key); err != nil {
		return "", fmt.Errorf("learn the key of %s: %w", name, err)
	}
	return path, nil
}

func (h HostKeys) learn(name string, key ssh.PublicKey) (path string, err error) {
	if path, err = h.first(); err != nil {
		return "", err
	}
	_, err = editFile(path, func(data []byte) ([]byte, error) {
		k, err := h.known(name, key) // again, now that nobody else writes
		if err != nil {
			return nil, err
		}
		if e := findKey(k.entries, key); e != nil {
			path = e.file
			return data, nil
		}
		if _, err := k.checkPlain(key); fault.CodeOf(err) == fault.HostKeyChanged {
			return nil, err
		}
		return edit{name: k.name, add: []ssh.PublicKey{key}}.apply(path, data)
	})
	return path, err
}

// acceptNew learns the key of a server of which nothing is known. Where an
// authority is known the server is not new: it should have shown a certificate.
func (k *Known) acceptNew(u *Unknown) (Verdict, error) {
	if ca := k.findCA(func(ssh.PublicKey) bool { return true }); ca != nil {
		return Verdict{}, fault.New(fault.HostKeyUnknown, fault.HostKey, "%w, and is not certified by the authority at %s", u, ca.at())
	}
	path, err := k.policy.learn(k.name, u.Key)
	switch fault.CodeOf(err) {
	case fault.HostKeyChanged, fault.HostKeyRevoked: // since the lookup
		return Verdict{}, err
	}
	if err != nil {
		return Verdict{}, fault.New(fault.HostKeyUnknown, fault.HostKey, "%w, and cannot be learned: %v", u, err)
	}
	return Verdict{Fingerprint: ssh.FingerprintSHA256(u.Key), Type: u.Key.Type(), Source: "learned: " + path}, nil
}

// Replace makes key the only plain one of name: the lines that contradict are
// removed from all files, hashed ones too, and from a line that names several
// hosts only name is; then the key is learned. A wildcard that means name is not
// edited: then nothing is, and the error says where it stands. It returns the
// files that it wrote.
func (h HostKeys) Replace(name string, key ssh.PublicKey) (paths []string, err error) {
	if paths, err = h.replace(name, key); err != nil {
		return paths, fmt.Errorf("replace the key of %s: %w", name, err)
	}
	return paths, nil
}

func (h HostKeys) replace(name string, key ssh.PublicKey) ([]string, error) {
	k, err := h.known(name, key)
	if err != nil {
		return nil, err
	}
	change := edit{name: k.name, drop: func(old ssh.PublicKey) bool { return !sameKey(old, key) }}
	if findKey(k.entries, key) == nil {
		change.add = []ssh.PublicKey{key}
	}
	stale := k.dropped(change)
	for _, e := range stale {
		if _, ok := e.without(k.name); !ok {
			return nil, wildcardError(e.entry, k.name)
		}
	}
	return h.rewrite(change, filesOf(stale))
}

// known is Lookup for a name in the form of [Unknown], before keys are written
// under it, in lower case; a revoked one never is.
func (h HostKeys) known(name string, keys ...ssh.PublicKey) (*Known, error) {
	if name == "" {
		return nil, errors.New("a server without a name")
	}
	h.Alias = name
	k, err := h.Lookup("", 22)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if err := k.checkRevoked(key, nil); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// first is the file that keys are written to.
func (h HostKeys) first() (string, error) {
	if len(h.Files) == 0 {
		return "", errors.New("no known_hosts file is named that could be written")
	}
	return h.Files[0], nil
}

// rewrite applies change to the files, and what it adds to the first of h.Files.
// That one comes last: nothing new is trusted before the old is gone. It returns
// the files that it wrote, after an error too.
func (h HostKeys) rewrite(change edit, files []string) (paths []string, err error) {
	first, err := h.first()
	if err != nil {
		return nil, err
	}
	if slices.Contains(files, first) || len(change.add) > 0 {
		files = append(slices.DeleteFunc(files, func(file string) bool { return file == first }), first)
	}
	for _, file := range files {
		step := change
		if file != first {
			step.add = nil
		}
		changed, err := editFile(file, func(data []byte) ([]byte, error) { return step.apply(file, data) })
		if err != nil {
			return paths, err
		}
		if changed {
			paths = append(paths, file)
		}
	}
	return paths, nil
}

// dropped returns the plain entries that change forgets.
func (k *Known) dropped(change edit) (stale []knownKey) {
	for _, e := range k.entries {
		if e.marker == "" && change.drop(e.key) {
			stale = append(stale, e)
		}
	}
	return stale
}

func filesOf(entries []knownKey) (files []string) {
	for _, e := range entries {
		if !slices.Contains(files, e.file) {
			files = append(files, e.file)
		}
	}
	return files
}
