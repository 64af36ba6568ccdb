package identity

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// HostKeys says how a server proves who it is.
type HostKeys struct {
	Files        []string // known_hosts files; one that does not exist is empty; the first is the one that is written
	Fingerprints []string // pins, "SHA256:..."; with any, the files can revoke a key but not vouch for one
	Alias        string   // look up under this name instead of host and port
	AcceptNew    bool     // learn the key of a server of which nothing is known, instead of refusing it
}

// Verdict is what the check of an accepted host key found.
type Verdict struct {
	Fingerprint string // SHA256:... of the key; of the certified key for a certificate
	Type        string // the key's type, ssh-ed25519
	Source      string // file:line, "pin", file:line of the certificate authority, or "learned: " and the file
}

// Known is what is known of one server. It is a snapshot, safe for concurrent use.
type Known struct {
	// Bad lists the lines that were skipped because they cannot be read.
	Bad []BadLine

	policy    HostKeys
	name      string // in the form of lookupName
	principal string // what a host certificate must be for
	entries   []knownKey
	// portless are the entries of the plain host when the port is not 22: they
	// can vouch for a key or revoke it, not contradict one, as in ssh.
	portless []knownKey
}

// knownKey is an entry with its key.
type knownKey struct {
	entry
	key ssh.PublicKey
}

// badLimit bounds how many bad lines are told of one file.
const badLimit = 20

// Lookup reads what is known of the server at host and port. Its error has the
// code known_hosts_unreadable.
func (h HostKeys) Lookup(host string, port int) (*Known, error) {
	k := &Known{policy: h, name: lookupName(host, port), principal: strings.ToLower(host)}
	if h.Alias != "" {
		k.name = strings.ToLower(h.Alias)
		k.principal = k.name
	}
	files, bad, err := h.read()
	if err != nil {
		return nil, err
	}
	k.entries, k.Bad = findIn(files, k.name, bad)
	if h.Alias == "" && port != 22 {
		k.portless, k.Bad = findIn(files, lookupName(host, 22), k.Bad)
	}
	return k, nil
}

// read reads all files. A pinned server does not need them, so that one which
// cannot be read is only told.
func (h HostKeys) read() (files []*parsedFile, bad []BadLine, err error) {
	for _, file := range h.Files {
		f, err := knownHostsFiles.read(file)
		if err != nil && len(h.Fingerprints) == 0 {
			return nil, nil, fault.New(fault.KnownHostsUnreadable, fault.HostKey, "%w", err)
		}
		if err != nil {
			bad = append(bad, BadLine{File: file, Reason: err.Error()})
			continue
		}
		files = append(files, f)
		bad = append(bad, firstBad(f.bad)...)
	}
	return files, bad, nil
}

// findIn returns what the files say of name, and bad with what cannot be read of
// that.
func findIn(files []*parsedFile, name string, bad []BadLine) ([]knownKey, []BadLine) {
	var keys []knownKey
	for _, f := range files {
		a := f.find(name)
		keys = append(keys, a.keys...)
		bad = append(bad, a.bad...)
	}
	return keys, bad
}

// firstBad cuts a long list: a file that is no known_hosts file at all should
// not fill the log.
func firstBad(bad []BadLine) []BadLine {
	if len(bad) <= badLimit {
		return bad
	}
	more := bad[badLimit]
	more.Reason = fmt.Sprintf("%s; and %d more such lines", more.Reason, len(bad)-badLimit-1)
	return append(slices.Clone(bad[:badLimit]), more)
}

// findAbout returns the entries about name with their keys. A line that parsed
// well may still hold a key that does not.
func findAbout(entries []entry, name string) (a about) {
	for _, e := range entries {
		if !e.matches(name) {
			continue
		}
		key, err := e.key()
		if err != nil {
			a.bad = append(a.bad, BadLine{File: e.file, Line: e.line, Reason: "unreadable key: " + fault.Clean(err.Error())})
			continue
		}
		a.keys = append(a.keys, knownKey{e, key})
	}
	return a
}

// Algorithms returns allowed in the order of what is known: certificates where
// an authority is known, the types of the known keys, so that a server with
// several keys shows the one that is known, then the rest, so that a replaced
// key is seen as changed and not as a lack of common algorithms.
func (k *Known) Algorithms(allowed []string) []string {
	entries := k.entries
	if !slices.ContainsFunc(entries, k.vouches) {
		entries = k.portless
	}
	rank := func(algorithm string) int {
		best := 2
		for _, e := range entries {
			switch {
			case !k.vouches(e):
			case e.marker == markerCA && isCertAlgorithm(algorithm):
				return 0
			case e.marker == "" && slices.Contains(algorithmsOf(e.key.Type()), algorithm):
				best = 1
			}
		}
		return best
	}
	ordered := slices.Clone(allowed)
	slices.SortStableFunc(ordered, func(a, b string) int { return rank(a) - rank(b) })
	return ordered
}

// vouches reports whether the entry can speak for a key, by itself or as an
// authority.
func (k *Known) vouches(e knownKey) bool {
	return e.marker != markerRevoked && k.revocation(e.key) == nil
}
