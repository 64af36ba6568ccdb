package identity

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Markers of known_hosts lines.
const (
	markerCA      = "@cert-authority"
	markerRevoked = "@revoked"
)

// entry is one line of a known_hosts file. The key stays undecoded until a
// host matches: a file may have tens of thousands of lines.
type entry struct {
	file    string
	line    int // from 1
	marker  string
	hosts   string // patterns or a hash, as written
	column  int    // where hosts begins in the line, in bytes from 0
	hash    *nameHash
	keyType string
	blob    string // the key, base64
}

// BadLine is a line of a known_hosts file that was skipped. Line 0 stands for
// the whole file.
type BadLine struct {
	File   string
	Line   int
	Reason string
}

// String returns file:line: reason.
func (b BadLine) String() string {
	if b.Line == 0 {
		return b.File + ": " + b.Reason
	}
	return fmt.Sprintf("%s:%d: %s", b.File, b.Line, b.Reason)
}

// parseKnownHosts reads the format of sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. A
// bad line never hides the others.
func parseKnownHosts(file string, data []byte) (entries []entry, bad []BadLine) {
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		e, reason := parseLine(line)
		switch {
		case reason != "":
			bad = append(bad, BadLine{File: file, Line: n, Reason: reason})
		case e.hosts != "":
			e.file, e.line = file, n
			entries = append(entries, e)
		}
	}
	return entries, bad
}

// parseLine returns the entry of one line; an empty entry for a comment.
func parseLine(line string) (e entry, reason string) {
	line = strings.TrimRight(line, "\r\n")
	hosts, rest := nextField(line)
	if hosts == "" || hosts[0] == '#' {
		return entry{}, ""
	}
	if hosts == markerCA || hosts == markerRevoked {
		e.marker = hosts
		hosts, rest = nextField(rest)
	}
	if strings.HasPrefix(hosts, "@") {
		return entry{}, "unknown or second marker"
	}
	e.hosts, e.column = hosts, len(line)-len(rest)-len(hosts)
	e.keyType, rest = nextField(rest)
	e.blob, _ = nextField(rest)
	if e.blob == "" {
		return entry{}, "a line is: hosts, key type, key"
	}
	if !blobHasType(e.blob, e.keyType) {
		return entry{}, "the key is not of the type that the line names"
	}
	if hosts[0] == '|' {
		if e.hash = parseHash(hosts); e.hash == nil {
			return entry{}, "broken hash of a host name"
		}
	}
	return e, ""
}

// nextField cuts the first field off s. A byte order mark, which editors on
// Windows write, counts as a blank.
func nextField(s string) (field, rest string) {
	s = strings.TrimLeft(s, " \t\ufeff")
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// blobHasType reports whether the key in base64 begins with its type, as every
// key does (RFC 4253 section 6.6). It looks no further.
func blobHasType(blob, keyType string) bool {
	n := 4 + len(keyType)
	chars := (n + 2) / 3 * 4
	if len(blob) < chars {
		return false
	}
	head, err := base64.StdEncoding.DecodeString(blob[:chars])
	return err == nil && len(head) >= n && int(binary.BigEndian.Uint32(head)) == len(keyType) && string(head[4:n]) == keyType
}

// key decodes the entry's key.
func (e entry) key() (ssh.PublicKey, error) {
	raw, err := base64.StdEncoding.DecodeString(e.blob)
	if err != nil {
		return nil, err
	}
	return ssh.ParsePublicKey(raw)
}

// at returns file:line.
func (e entry) at() string { return fmt.Sprintf("%s:%d", e.file, e.line) }
