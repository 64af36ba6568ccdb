package sshconfig

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// expand replaces tokens, variables and ~ in all values. One that cannot be
// expanded is skipped.
func (r *reader) expand() {
	r.each("hostname", func(s string) (string, error) {
		s, err := replaceTokens(s, map[byte]string{'h': r.result.Host}, "")
		return strings.ToLower(s), err
	})
	tokens := r.tokens()
	for _, lower := range slices.Sorted(maps.Keys(carried)) {
		switch carried[lower].expands {
		case command:
			r.each(lower, func(s string) (string, error) { return expandCommand(s, only(tokens, "nrk")) })
		case hop:
			r.each(lower, func(s string) (string, error) { return replaceTokens(s, only(tokens, "hnpr"), "") })
		case path:
			r.each(lower, func(s string) (string, error) { return r.path(s, tokens) })
		case sockets:
			r.each(lower, func(s string) (string, error) { return r.sockets(s, tokens) })
		}
	}
}

// each expands the values of a keyword.
func (r *reader) each(keyword string, expand func(string) (string, error)) {
	var kept []Value
	for _, v := range r.result.values[keyword] {
		text, err := expand(v.Text)
		if err != nil {
			r.skip(v, err.Error(), false)
			continue
		}
		v.Text = text
		kept = append(kept, v)
	}
	if kept == nil {
		delete(r.result.values, keyword)
		return
	}
	r.result.values[keyword] = kept
}

// tokens are what %x stands for, as far as this is known.
func (r *reader) tokens() map[byte]string {
	port := r.result.text("Port")
	if port == "" {
		port = "22"
	}
	alias := r.result.text("HostKeyAlias")
	if alias == "" {
		alias = r.result.Host
	}
	short, _, _ := strings.Cut(r.env.Hostname, ".")
	return map[byte]string{
		'd': r.env.Home, 'h': r.result.HostName(), 'i': r.env.UserID, 'k': alias, 'L': short, 'l': r.env.Hostname,
		'n': r.result.Host, 'p': port, 'r': r.remoteUser(), 'u': r.env.User,
	}
}

func only(tokens map[byte]string, names string) map[byte]string {
	some := map[byte]string{}
	for i := range len(names) {
		some[names[i]] = tokens[names[i]]
	}
	return some
}

// wordBytes mean nothing to a shell, nor to who expands %h and %p.
const wordBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:@+=,/"

// expandCommand expands a command, which a shell may read: a value that could
// mean something to it must not get there.
func expandCommand(s string, tokens map[byte]string) (string, error) {
	for name, text := range tokens {
		if isUsed := strings.Contains(s, "%"+string(name)); isUsed && (strings.HasPrefix(text, "-") || strings.Trim(text, wordBytes) != "") {
			return "", fmt.Errorf("%%%c stands for %q, which a shell could take for more than a word", name, text)
		}
	}
	return replaceTokens(s, tokens, "hp%")
}

// replaceTokens replaces %x. The tokens in keep stay as they are; else %% is a
// single %.
func replaceTokens(s string, tokens map[byte]string, keep string) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(s, "%")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		if rest == "" {
			return "", errors.New("a single % at the end")
		}
		name := rest[0]
		switch text := tokens[name]; {
		case strings.IndexByte(keep, name) >= 0:
			out.WriteString("%" + string(name))
		case name == '%':
			out.WriteByte('%')
		case text == "":
			return "", fmt.Errorf("the token %%%c is not known here", name)
		default:
			out.WriteString(text)
		}
		s = rest[1:]
	}
}

// replaceVariables replaces ${NAME}.
func (r *reader) replaceVariables(s string) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", errors.New("${ without }")
		}
		value, err := r.variable(name)
		if err != nil {
			return "", err
		}
		out.WriteString(value)
		s = after
	}
}

func (r *reader) variable(name string) (string, error) {
	if r.env.Getenv != nil {
		if value, ok := r.env.Getenv(name); ok {
			return value, nil
		}
	}
	return "", fmt.Errorf("the variable %s is not set", name)
}

// homePath replaces a leading ~/.
func (r *reader) homePath(s string) (string, error) {
	rest, found := strings.CutPrefix(s, "~")
	switch {
	case !found:
		return s, nil
	case rest != "" && rest[0] != '/' && rest[0] != filepath.Separator:
		return "", errors.New("the home folder of another account is not looked up")
	case r.env.Home == "":
		return "", errors.New("~ stands for nothing: the account has no home folder")
	}
	return filepath.Join(r.env.Home, rest), nil
}

// path expands all there is. An IdentityAgent may be a variable without braces.
func (r *reader) path(s string, tokens map[byte]string) (string, error) {
	if name, found := strings.CutPrefix(s, "$"); found && !strings.HasPrefix(name, "{") {
		return r.variable(name)
	}
	s, err := r.homePath(s)
	if err != nil {
		return "", err
	}
	return r.sockets(s, tokens)
}

// sockets expands the tokens and variables of paths.
func (r *reader) sockets(s string, tokens map[byte]string) (string, error) {
	s, err := replaceTokens(s, tokens, "")
	if err != nil {
		return "", err
	}
	return r.replaceVariables(s)
}
