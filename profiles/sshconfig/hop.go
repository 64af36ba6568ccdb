package sshconfig

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Hop is a jump host, with what the files say about it.
type Hop struct {
	User, Host string
	Port       int
}

// String returns user@host:port.
func (h Hop) String() string {
	return h.User + "@" + net.JoinHostPort(h.Host, strconv.Itoa(h.Port))
}

// parseHop reads [user@]host[:port] or ssh://[user@]host[:port]. What is
// missing is empty.
func parseHop(s string) (Hop, error) {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "ssh://"), "/")
	h := Hop{Host: s}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		h.User, h.Host = s[:i], s[i+1:]
		if h.User == "" {
			return Hop{}, errors.New("a jump host has no user before @")
		}
	}
	if host, port, err := net.SplitHostPort(h.Host); err == nil {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return Hop{}, fmt.Errorf("%q is not a port", port)
		}
		h.Host, h.Port = host, n
	}
	h.Host = strings.TrimSuffix(strings.TrimPrefix(h.Host, "["), "]")
	if h.Host == "" {
		return Hop{}, errors.New("a jump host has no name")
	}
	return h, nil
}

// route works the jump hosts out. ssh reads the files for each of them, too:
// their names, users and ports come from there, and the way to the first.
func (r *reader) route(files []string, depth int) error {
	v, ok := r.result.First("ProxyJump")
	if !ok || v.Text == "none" {
		return nil
	}
	names := strings.Split(v.Text, ",")
	if depth > maxDepth || len(names) > maxDepth {
		r.skip(v, "the jump hosts lead in a circle, or are too many", false)
		return nil
	}
	var hops []Hop
	for i, text := range names {
		h, err := parseHop(text)
		if err != nil {
			r.skip(v, err.Error(), false)
			return nil
		}
		about, err := r.about(h, files)
		if err == nil && i == 0 {
			err = about.route(files, depth+1)
		}
		if err != nil {
			return err
		}
		if known := r.compare(v, about.result); i == 0 && !known {
			return nil
		}
		hops = append(append(hops, about.result.Jumps...), h.with(about.result, r.env.User))
	}
	r.result.Jumps = hops
	return nil
}

// about reads what the files say about a jump host.
func (r *reader) about(h Hop, files []string) (*reader, error) {
	env := r.env
	env.RemoteUser = h.User
	return read(h.Host, env, files)
}

// with fills in what the files say.
func (h Hop) with(about Resolved, localUser string) Hop {
	h.Host = about.HostName()
	if h.User = about.text("User"); h.User == "" {
		h.User = localUser
	}
	if h.Port == 0 {
		h.Port, _ = strconv.Atoi(about.text("Port"))
	}
	if h.Port < 1 || h.Port > 65535 {
		h.Port = 22
	}
	return h
}

// compare lists what a jump host has of its own and the profile cannot say: a
// plain jump host is logged in to with the profile's keys. It reports whether
// the way to the jump host is known.
func (r *reader) compare(v Value, about Resolved) bool {
	for _, keyword := range []string{"IdentityFile", "CertificateFile", "HostKeyAlias", "UserKnownHostsFile", "ProxyCommand"} {
		if own := texts(about.All(keyword)); own != "" && own != "none\n" && own != texts(r.result.All(keyword)) {
			r.skip(v, fmt.Sprintf("the jump host %s has its own %s: make it a profile, and write profile:NAME", about.Host, keyword), false)
		}
	}
	for _, s := range about.Skipped {
		if s.Keyword == "ProxyJump" {
			r.result.Skipped = append(r.result.Skipped, s)
		}
	}
	return about.text("ProxyJump") == "" || about.text("ProxyJump") == "none" || len(about.Jumps) > 0
}

func texts(values []Value) string {
	var b strings.Builder
	for _, v := range values {
		b.WriteString(v.Text + "\n")
	}
	return b.String()
}
