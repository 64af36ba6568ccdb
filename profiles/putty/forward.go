package putty

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Kind says who listens and who dials.
type Kind byte

// The kinds, as PuTTY writes them.
const (
	Local   Kind = 'L'
	Remote  Kind = 'R'
	Dynamic Kind = 'D'
)

// Forward is one port forwarding. Listen is a port, or host:port; Target is
// host:port, and empty for a dynamic one.
type Forward struct {
	Kind           Kind
	Listen, Target string
	Text           string // as PuTTY writes it
}

// Forwards reads PortForwardings, "L5432=db:5432,4R8080=localhost:80,D1080=",
// and returns the errors of those that cannot be read.
func (s Session) Forwards() (all []Forward, bad []error) {
	for _, item := range splitItems(s.Text("PortForwardings")) {
		f, err := s.forward(item)
		if err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", item, err))
			continue
		}
		all = append(all, f)
	}
	return all, bad
}

// splitItems splits at commas. A backslash quotes the byte behind it.
func splitItems(s string) []string {
	var items []string
	var item strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			item.WriteByte(s[i])
		case s[i] == ',':
			items = append(items, item.String())
			item.Reset()
		default:
			item.WriteByte(s[i])
		}
	}
	items = append(items, item.String())
	return compact(items)
}

// compact drops the empty items.
func compact(items []string) []string {
	var kept []string
	for _, item := range items {
		if item != "" {
			kept = append(kept, item)
		}
	}
	return kept
}

// forward reads [4|6]KIND[ADDRESS:]PORT[=HOST:PORT]; the figure is the only IP
// version that listens. PuTTY once wrote a tab in the place of "=".
func (s Session) forward(item string) (Forward, error) {
	f := Forward{Text: item}
	family := byte(0)
	if item[0] == '4' || item[0] == '6' {
		family, item = item[0], item[1:]
	}
	if item == "" || !strings.ContainsRune("LRD", rune(item[0])) {
		return f, errors.New("not a kind of forwarding")
	}
	f.Kind = Kind(item[0])
	listen, target := item[1:], ""
	if i := strings.IndexAny(item, "=\t"); i > 0 {
		listen, target = item[1:i], item[i+1:]
	}
	var err error
	if f.Listen, err = s.listen(f.Kind, family, listen); err != nil {
		return f, err
	}
	if f.Kind == Dynamic {
		return f, nil
	}
	f.Target, err = hostPort(target)
	return f, err
}

// listen is the address of one end. A port alone is localhost, unless the
// session opens it to everybody.
func (s Session) listen(kind Kind, family byte, text string) (string, error) {
	if strings.Contains(text, ":") {
		return hostPort(text)
	}
	if !isPort(text) {
		return "", fmt.Errorf("%q is not a port", text)
	}
	open := s.Number("LocalPortAcceptAll") != 0
	if kind == Remote {
		open = s.Number("RemotePortAcceptAll") != 0
	}
	switch {
	case open && family == '6':
		return "[::]:" + text, nil
	case open:
		return "0.0.0.0:" + text, nil
	case family == '6' && kind != Remote:
		return "[::1]:" + text, nil
	case family == '4' && kind != Remote:
		return "127.0.0.1:" + text, nil
	}
	return text, nil
}

// hostPort reads host:port; an IPv6 address may lack its brackets.
func hostPort(s string) (string, error) {
	i := strings.LastIndexByte(s, ':')
	if i < 1 || !isPort(s[i+1:]) {
		return "", fmt.Errorf("%q is not host:port", s)
	}
	host := strings.TrimSuffix(strings.TrimPrefix(s[:i], "["), "]")
	if host == "*" {
		host = "0.0.0.0"
	}
	return net.JoinHostPort(host, s[i+1:]), nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}
