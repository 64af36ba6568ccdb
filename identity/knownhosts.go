package identity

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" // #nosec: the hash of hashed host names, fixed by OpenSSH's format
	"encoding/base64"
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
	file   string
	line   int // from 1
	marker string
	hosts  string // the first field, as written
	blob   string // the key, base64
}

// BadLine is a line of a known_hosts file that was skipped.
type BadLine struct {
	File   string
	Line   int
	Reason string
}

func (b BadLine) String() string { return fmt.Sprintf("%s:%d: %s", b.File, b.Line, b.Reason) }

// parseKnownHosts reads the format of sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. A
// bad line never hides the others.
func parseKnownHosts(file string, data []byte) (entries []entry, bad []BadLine) {
	for n := 1; len(data) > 0; n++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		e, reason := parseLine(string(bytes.TrimSpace(line)))
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
	if line == "" || line[0] == '#' {
		return entry{}, ""
	}
	fields := strings.Fields(line)
	if fields[0][0] == '@' {
		e.marker, fields = fields[0], fields[1:]
		if e.marker != markerCA && e.marker != markerRevoked {
			return entry{}, "unknown marker"
		}
	}
	if len(fields) < 3 {
		return entry{}, "a line is: hosts, key type, key"
	}
	e.hosts, e.blob = fields[0], fields[2]
	if e.hosts[0] == '|' && !validHash(e.hosts) {
		return entry{}, "broken hash of a host name"
	}
	return e, ""
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

// matches reports whether the entry is about host, which is in the form of
// lookupName. A negated pattern that matches wins over all others.
func (e entry) matches(host string) bool {
	if e.hosts[0] == '|' {
		return matchHash(e.hosts, host)
	}
	found := false
	for pattern := range strings.SplitSeq(e.hosts, ",") {
		negated := strings.HasPrefix(pattern, "!")
		if matchPattern(strings.ToLower(strings.TrimPrefix(pattern, "!")), host) {
			if negated {
				return false
			}
			found = true
		}
	}
	return found
}

// lookupName is the form in which known_hosts names a server.
func lookupName(host string, port int) string {
	host = strings.ToLower(host)
	if port == 22 {
		return host
	}
	return fmt.Sprintf("[%s]:%d", host, port)
}

// matchPattern matches s against a pattern of literal characters, * and ?.
func matchPattern(pattern, s string) bool {
	star, mark := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case star >= 0: // let the last star swallow one more
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// matchHash compares host with |1|salt|hash, where hash is
// HMAC-SHA1(key salt, host), both in base64.
func matchHash(field, host string) bool {
	salt, sum, ok := splitHash(field)
	if !ok {
		return false
	}
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(host))
	return hmac.Equal(mac.Sum(nil), sum)
}

func validHash(field string) bool {
	_, _, ok := splitHash(field)
	return ok
}

func splitHash(field string) (salt, sum []byte, ok bool) {
	parts := strings.Split(field, "|")
	if len(parts) != 4 || parts[1] != "1" {
		return nil, nil, false
	}
	salt, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, nil, false
	}
	sum, err = base64.StdEncoding.DecodeString(parts[3])
	return salt, sum, err == nil && len(sum) == sha1.Size
}
