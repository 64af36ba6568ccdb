package identity

import (
	"fmt"
	"slices"
	"strings"

	"tunneld/fault"
)

// failure tells why there is nothing left to try. What somebody can give
// weighs most, then what the server rejected, then what could not be used.
func (l *Login) failure() *fault.Error {
	if l.wanted != nil {
		return l.wanted
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	usable := slices.ContainsFunc(l.creds.methods(), func(m string) bool { return slices.Contains(l.allowed, m) })
	accepts := "the server accepts " + strings.Join(l.allowed, ", ")
	switch rejected := l.results(Rejected); {
	case len(rejected) > 0:
		return l.rejected("%s; it rejected %s%s%s", accepts, strings.Join(rejected, ", "), l.before(), l.unused())
	case !usable:
		return l.rejected("%s, not %s%s", accepts, strings.Join(l.creds.methods(), ", "), l.before())
	case len(l.problems) > 0:
		return l.problems[len(l.problems)-1]
	case l.partials > 0:
		return l.rejected("%s, and there is nothing left to offer%s", accepts, l.before())
	default:
		return fault.New(fault.AuthRejected, fault.Auth, "%s, and there is no key to offer", accepts).
			WithHint("name one in auth.identity_files, the only way for a profile of the machine, or make one with ssh-keygen -t ed25519%s", l.orAllow())
	}
}

// rejected is auth_rejected with the hint that fits.
func (l *Login) rejected(format string, args ...any) *fault.Error {
	f := fault.New(fault.AuthRejected, fault.Auth, format, args...)
	if !slices.ContainsFunc(l.creds.methods(), func(m string) bool { return slices.Contains(l.allowed, m) }) {
		if allow := l.orAllow(); allow != "" {
			return f.WithHint("%s", strings.TrimPrefix(allow, "; or "))
		}
		return f.WithHint("ask the server's administrator to allow PubkeyAuthentication for this account")
	}
	return f.WithHint("%s%s", fault.AuthRejected.Hint(), l.orAllow())
}

// orAllow names the line that would let the methods be used that the server
// accepts and the profile does not name, or "".
func (l *Login) orAllow() string {
	methods := slices.Clone(l.creds.methods())
	for _, m := range []string{methodPublicKey, methodInteractive, methodPassword} {
		if slices.Contains(l.allowed, m) && !slices.Contains(methods, m) {
			methods = append(methods, m)
		}
	}
	if len(methods) == len(l.creds.methods()) {
		return ""
	}
	return fmt.Sprintf("; or add to the profile: auth.methods = [\"%s\"]", strings.Join(methods, `", "`))
}

// results lists the attempts that ended so.
func (l *Login) results(r Result) (found []string) {
	for _, a := range l.attempts {
		if a.Result == r {
			found = append(found, a.String())
		}
	}
	return found
}

// before tells what the server accepted as one of several factors.
func (l *Login) before() string {
	if done := l.results(Partial); len(done) > 0 {
		return " after it accepted " + strings.Join(done, ", ")
	}
	return ""
}

func (l *Login) unused() string {
	var b strings.Builder
	for _, p := range l.problems {
		b.WriteString("; not used: " + p.Message)
	}
	return b.String()
}
