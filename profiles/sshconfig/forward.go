package sshconfig

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Forward is a LocalForward, RemoteForward or DynamicForward. Both ends are
// host:port, a bare port, or "unix:" and a path. Target is empty for a
// DynamicForward and "socks" for a RemoteForward with one end alone.
type Forward struct {
	Value
	Listen, Target string
}

// Forwards returns the forwards of one of the three keywords, and lists those
// that cannot be read.
func (r Resolved) Forwards(keyword string) (all []Forward, bad []Skipped) {
	open := r.text("GatewayPorts") == "yes" && !strings.EqualFold(keyword, "RemoteForward")
	for _, v := range r.All(keyword) {
		f, err := parseForward(v, open)
		if err != nil {
			bad = append(bad, Skipped{v, err.Error(), false})
			continue
		}
		all = append(all, f)
	}
	return all, bad
}

// parseForward reads "listen target". A bare listening port is localhost, or
// every address where GatewayPorts opens it.
func parseForward(v Value, open bool) (Forward, error) {
	f := Forward{Value: v}
	listen, target, two := strings.Cut(v.Text, " ")
	var err error
	if f.Listen, err = end(listen, open); err != nil {
		return f, err
	}
	switch {
	case v.Keyword == "DynamicForward":
	case two:
		f.Target, err = end(target, false)
	case v.Keyword == "RemoteForward":
		f.Target = "socks"
	default:
		err = errors.New("there is no target")
	}
	return f, err
}

// end reads [address:]port or the path of a socket.
func end(s string, open bool) (string, error) {
	if strings.HasPrefix(s, "/") {
		return "unix:" + s, nil
	}
	if port, err := strconv.Atoi(s); err == nil && port >= 0 {
		if open {
			return net.JoinHostPort("0.0.0.0", s), nil
		}
		return s, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf("%q is not an address", s)
	}
	if host == "" || host == "*" {
		host = "0.0.0.0"
	}
	return net.JoinHostPort(host, port), nil
}
