package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// HostKeys says how a server proves who it is.
type HostKeys struct {
	Files        []string // known_hosts files; one that does not exist is empty
	Fingerprints []string // pins, "SHA256:..."; with any, the files are not asked
	Alias        string   // look up under this name instead of host and port
}

// Verdict is what the check of an accepted host key found.
type Verdict struct {
	Fingerprint string // SHA256:... of the key; of the certified key for a certificate
	Type        string // the key's type, ssh-ed25519
	Source      string // file:line, "pin", or file:line of the certificate authority
}

// Known is what is known of one server.
type Known struct {
	// Bad lists the lines that were skipped because they cannot be read.
	Bad []BadLine

	name    string
	pins    []string
	entries []entry
	// loose says that nothing is known under [host]:port, so that entries are
	// those of the plain host: they can vouch for a key, not contradict one.
	loose bool
}

// Lookup reads what is known of the server at host and port. Its error has the
// code known_hosts_unreadable.
func (h HostKeys) Lookup(host string, port int) (*Known, error) {
	k := &Known{name: lookupName(host, port), pins: h.Fingerprints}
	if h.Alias != "" {
		k.name = lookupName(h.Alias, 22)
	}
	if len(k.pins) > 0 {
		return k, nil
	}
	var all []entry
	for _, file := range h.Files {
		entries, bad, err := knownHostsFiles.read(file)
		if err != nil {
			return nil, fault.New(fault.KnownHostsUnreadable, fault.HostKey, "%w", err)
		}
		all = append(all, entries...)
		k.Bad = append(k.Bad, bad...)
	}
	k.entries = matching(all, k.name)
	vouches := func(e entry) bool { return e.marker != markerRevoked }
	if h.Alias == "" && port != 22 && !slices.ContainsFunc(k.entries, vouches) {
		k.entries, k.loose = append(k.entries, matching(all, lookupName(host, 22))...), true
	}
	return k, nil
}

func matching(entries []entry, name string) (found []entry) {
	for _, e := range entries {
		if e.matches(name) {
			found = append(found, e)
		}
	}
	return found
}

// Algorithms returns the host key algorithms to offer out of allowed: those of
// the known keys first, so that a server with several keys shows the one that
// is known, then the rest, so that a replaced key is seen as changed and not as
// a lack of common algorithms.
func (k *Known) Algorithms(allowed []string) []string {
	var first []string
	for _, e := range k.entries {
		key, err := e.key()
		switch {
		case err != nil || e.marker == markerRevoked:
		case e.marker == markerCA:
			first = append(first, certAlgorithms(allowed)...)
		default:
			first = append(first, algorithmsOf(key.Type())...)
		}
	}
	var out []string
	for _, a := range append(first, allowed...) {
		if slices.Contains(allowed, a) && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// Check verifies the key that the server shows. Its error has one of the codes
// host_key_unknown, host_key_changed and host_key_revoked.
func (k *Known) Check(key ssh.PublicKey, now time.Time) (Verdict, error) {
	cert, isCert := key.(*ssh.Certificate)
	if isCert {
		if e, err := k.revoked(cert.SignatureKey, cert.Key); err != nil {
			return Verdict{}, revokedError(e, cert.Key)
		}
		if v, ok, err := k.checkCert(cert, now); ok || err != nil {
			return v, err
		}
		key = cert.Key // nobody vouches for the certificate: judge its plain key, as OpenSSH does
	}
	if e, err := k.revoked(key); err != nil {
		return Verdict{}, revokedError(e, key)
	}
	v := Verdict{Fingerprint: ssh.FingerprintSHA256(key), Type: key.Type()}
	if len(k.pins) > 0 {
		if slices.Contains(k.pins, v.Fingerprint) {
			v.Source = "pin"
			return v, nil
		}
		return Verdict{}, fault.New(fault.HostKeyChanged, fault.HostKey, "%s shows %s %s, which is none of host_key.fingerprints", k.name, key.Type(), v.Fingerprint)
	}
	return k.checkPlain(key, v)
}

func (k *Known) checkPlain(key ssh.PublicKey, v Verdict) (Verdict, error) {
	var other *entry
	var otherKey ssh.PublicKey
	for i, e := range k.entries {
		known, err := e.key()
		if err != nil || e.marker != "" {
			continue
		}
		if sameKey(known, key) {
			v.Source = e.at()
			return v, nil
		}
		if other == nil || known.Type() == key.Type() {
			other, otherKey = &k.entries[i], known
		}
	}
	if other == nil || k.loose {
		return Verdict{}, fault.New(fault.HostKeyUnknown, fault.HostKey, "%s shows %s %s, which no known_hosts file has", k.name, key.Type(), v.Fingerprint)
	}
	return Verdict{}, fault.New(fault.HostKeyChanged, fault.HostKey, "%s shows %s %s, but %s has %s %s",
		k.name, key.Type(), v.Fingerprint, other.at(), otherKey.Type(), ssh.FingerprintSHA256(otherKey))
}

// checkCert judges a host certificate (PROTOCOL.certkeys). ok is false when no
// known authority signed it.
func (k *Known) checkCert(cert *ssh.Certificate, now time.Time) (v Verdict, ok bool, err error) {
	var ca *entry
	for i, e := range k.entries {
		if e.marker != markerCA {
			continue
		}
		if known, err := e.key(); err == nil && sameKey(known, cert.SignatureKey) {
			ca = &k.entries[i]
			break
		}
	}
	if ca == nil {
		return Verdict{}, false, nil
	}
	checker := ssh.CertChecker{
		Clock:           func() time.Time { return now },
		IsHostAuthority: func(auth ssh.PublicKey, _ string) bool { return sameKey(auth, cert.SignatureKey) },
	}
	host := k.name
	if h, _, err := net.SplitHostPort(k.name); err == nil {
		host = h
	}
	addr := net.JoinHostPort(host, strconv.Itoa(22))
	if err := checker.CheckHostKey(addr, nil, cert); err != nil {
		return Verdict{}, false, fault.New(fault.HostKeyChanged, fault.HostKey, "the host certificate of %s, signed by the authority at %s, is not valid: %s", k.name, ca.at(), fault.Clean(err.Error())).
			WithHint("ask the administrator to renew the server's host certificate for the name %s", host)
	}
	return Verdict{Fingerprint: ssh.FingerprintSHA256(cert.Key), Type: cert.Type(), Source: ca.at()}, true, nil
}

var errRevoked = errors.New("revoked")

func (k *Known) revoked(keys ...ssh.PublicKey) (entry, error) {
	for _, e := range k.entries {
		if e.marker != markerRevoked {
			continue
		}
		known, err := e.key()
		if err == nil && slices.ContainsFunc(keys, func(key ssh.PublicKey) bool { return sameKey(known, key) }) {
			return e, errRevoked
		}
	}
	return entry{}, nil
}

func revokedError(e entry, key ssh.PublicKey) error {
	return fault.New(fault.HostKeyRevoked, fault.HostKey, "the server shows %s %s, which %s revokes", key.Type(), ssh.FingerprintSHA256(key), e.at())
}

func sameKey(a, b ssh.PublicKey) bool { return string(a.Marshal()) == string(b.Marshal()) }

// knownHostsFiles keeps what was read of each file until its time or size
// changes: 200 links that redial need not parse the same file 200 times.
var knownHostsFiles = &fileCache{files: map[string]cachedFile{}}

type fileCache struct {
	mu    sync.Mutex
	files map[string]cachedFile
}

type cachedFile struct {
	modified time.Time
	size     int64
	entries  []entry
	bad      []BadLine
}

func (c *fileCache) read(file string) ([]entry, []BadLine, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if f, ok := c.files[file]; ok && f.modified.Equal(info.ModTime()) && f.size == info.Size() {
		return f.entries, f.bad, nil
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is not a regular file", file)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	f := cachedFile{modified: info.ModTime(), size: info.Size()}
	f.entries, f.bad = parseKnownHosts(file, data)
	c.files[file] = f
	return f.entries, f.bad, nil
}
