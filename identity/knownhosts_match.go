package identity

import (
	"crypto/hmac"
	"crypto/sha1" // #nosec: the hash of hashed host names, fixed by OpenSSH's format
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// lookupName is the form in which known_hosts names a server: the host in lower
// case, with a port other than 22 as [host]:port.
func lookupName(host string, port int) string {
	host = strings.ToLower(host)
	if port == 22 {
		return host
	}
	return fmt.Sprintf("[%s]:%d", host, port)
}

// matches reports whether the entry is about name, which is in the form of
// lookupName. A negated pattern that matches wins over all others.
func (e entry) matches(name string) bool {
	if e.hash != nil {
		return hmac.Equal(hashName(e.hash.salt, name), e.hash.sum)
	}
	return matchList(e.hosts, name)
}

// names reports whether the entry is about name alone: hashed, or spelled out
// without wildcards and company.
func (e entry) names(name string) bool {
	return e.hash != nil && e.matches(name) || strings.EqualFold(e.hosts, name)
}

// without returns the entry's host list without name: "" when nothing is left
// to match. ok is false when name is meant by a wildcard, which is not ours to
// edit.
func (e entry) without(name string) (hosts string, ok bool) {
	if e.hash != nil {
		return "", true
	}
	rest := slices.DeleteFunc(strings.Split(e.hosts, ","), func(p string) bool { return strings.EqualFold(p, name) })
	hosts = strings.Join(rest, ",")
	if matchList(hosts, name) {
		return "", false
	}
	if !slices.ContainsFunc(rest, func(p string) bool { return p != "" && p[0] != '!' }) {
		return "", true
	}
	return hosts, true
}

// matchList matches name against patterns with commas between them.
func matchList(list, name string) bool {
	found := false
	for pattern := range strings.SplitSeq(list, ",") {
		positive, negated := strings.CutPrefix(pattern, "!")
		if matchPattern(strings.ToLower(positive), name) {
			if negated {
				return false
			}
			found = true
		}
	}
	return found
}

// matchPattern matches s against a pattern of literal characters, * and ?, byte
// by byte (ssh_config(5), PATTERNS).
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

// nameHash is the hosts field |1|salt|sum, both in base64, where sum is
// HMAC-SHA1 of one name with salt as its key.
type nameHash struct{ salt, sum []byte }

// parseHash returns nil for a field that OpenSSH would not have written.
func parseHash(field string) *nameHash {
	parts := strings.Split(field, "|")
	if len(parts) != 4 || parts[1] != "1" {
		return nil
	}
	salt, err1 := base64.StdEncoding.DecodeString(parts[2])
	sum, err2 := base64.StdEncoding.DecodeString(parts[3])
	if err1 != nil || err2 != nil || len(salt) != sha1.Size || len(sum) != sha1.Size {
		return nil
	}
	return &nameHash{salt, sum}
}

// String returns the hosts field.
func (h nameHash) String() string {
	b := base64.StdEncoding
	return "|1|" + b.EncodeToString(h.salt) + "|" + b.EncodeToString(h.sum)
}

func hashName(salt []byte, name string) []byte {
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name))
	return mac.Sum(nil)
}
