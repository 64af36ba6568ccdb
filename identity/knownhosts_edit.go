package identity

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1" // #nosec: fixed by OpenSSH's format
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// edit is a change to what a file says of one host.
type edit struct {
	name string                   // in the form of lookupName
	drop func(ssh.PublicKey) bool // which plain keys of the host to forget; nil for none
	add  []ssh.PublicKey          // keys to write where they are missing
}

// apply returns data after the edit. Lines that the edit is not about are kept
// byte for byte; CA and revoked lines are never about it.
func (c edit) apply(file string, data []byte) ([]byte, error) {
	var out bytes.Buffer
	var kept []ssh.PublicKey
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		e, _ := parseLine(line)
		if e.hosts == "" || e.marker != "" || !e.matches(c.name) {
			out.WriteString(line)
			continue
		}
		e.file, e.line = file, n
		key, err := e.key()
		if err != nil || c.drop == nil || !c.drop(key) {
			kept = append(kept, key)
			out.WriteString(line)
			continue
		}
		hosts, ok := e.without(c.name)
		if !ok {
			return nil, wildcardError(e, c.name)
		}
		if hosts != "" {
			out.WriteString(line[:e.column] + hosts + line[e.column+len(e.hosts):])
		}
	}
	return c.append(out.Bytes(), kept), nil
}

// append adds a hashed line for each key that is not among kept, and mends a
// missing line end before it.
func (c edit) append(data []byte, kept []ssh.PublicKey) []byte {
	for _, key := range c.add {
		if containsKey(kept, key) {
			continue
		}
		kept = append(kept, key)
		if len(data) > 0 && data[len(data)-1] != '\n' {
			data = append(data, '\n')
		}
		data = append(data, hashedLine(c.name, key)...)
	}
	return data
}

func wildcardError(e entry, name string) error {
	return fmt.Errorf("%s: a wildcard in %q means %s too: edit the line by hand", e.at(), e.hosts, name)
}

// hashedLine is the line of a key under a name, as HashKnownHosts writes it
// (ssh_config(5)): the file does not tell a thief where to go next.
func hashedLine(name string, key ssh.PublicKey) string {
	h := nameHash{salt: make([]byte, sha1.Size)}
	rand.Read(h.salt) // never fails
	h.sum = hashName(h.salt, name)
	return fmt.Sprintf("%s %s %s\n", h, key.Type(), base64.StdEncoding.EncodeToString(key.Marshal()))
}

func containsKey(keys []ssh.PublicKey, key ssh.PublicKey) bool {
	return slices.ContainsFunc(keys, func(k ssh.PublicKey) bool { return k != nil && sameKey(k, key) })
}

func sameKey(a, b ssh.PublicKey) bool { return string(a.Marshal()) == string(b.Marshal()) }
