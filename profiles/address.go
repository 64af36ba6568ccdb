package profiles

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
)

// Network is the kind of an [Address].
type Network string

// The networks.
const (
	TCP   Network = "tcp"
	Unix  Network = "unix"  // a socket in the file system
	Pipe  Network = "pipe"  // a named pipe of Windows
	Socks Network = "socks" // no fixed target: the client asks for one
)

// Localhost is the host of a bare port. Here it stands for 127.0.0.1 and ::1,
// both; on the server it is sent as this word.
const Localhost = "localhost"

// Address is where a forward listens or dials. The zero Address is none.
type Address struct {
	Network Network
	Host    string // of TCP: a name or an IP address, without brackets
	Port    int    // of TCP: 0 lets the server pick
	Path    string // of Unix and Pipe
}

// ParseAddress reads host:port, [IPv6]:port, a bare port (which is
// localhost:port), unix:PATH, pipe:NAME or the word socks. Its errors are
// short enough to stand behind a key.
func ParseAddress(s string) (Address, error) {
	if s == string(Socks) {
		return Address{Network: Socks}, nil
	}
	for _, network := range []Network{Unix, Pipe} {
		if path, ok := strings.CutPrefix(s, string(network)+":"); ok {
			return pathAddress(network, path)
		}
	}
	if !strings.Contains(s, ":") && isDigits(s) {
		return tcpAddress(Localhost, s)
	}
	host, port, err := net.SplitHostPort(s)
	switch {
	case err == nil:
		return tcpAddress(host, port)
	case strings.Count(s, ":") > 1 && !strings.HasPrefix(s, "["):
		return Address{}, errors.New("an IPv6 address stands in brackets, as in [::1]:5432")
	default:
		return Address{}, errors.New("want host:port or a port")
	}
}

// ParseTarget reads an address on the server that can be dialled: host:port,
// [IPv6]:port, a bare port or unix:PATH.
func ParseTarget(s string) (Address, error) {
	a, err := ParseAddress(s)
	if err == nil && a.Network != Unix && a.Port == 0 {
		err = errors.New("want host:port, or unix:PATH on the server")
	}
	return a, err
}

// portAddress is the address of a bare port.
func portAddress(port int64) (Address, error) {
	return tcpAddress(Localhost, strconv.FormatInt(port, 10))
}

func pathAddress(network Network, path string) (Address, error) {
	if path == "" || hasControl(path) {
		return Address{}, fmt.Errorf("want %s:NAME", network)
	}
	return Address{Network: network, Path: path}, nil
}

func tcpAddress(host, port string) (Address, error) {
	n, err := strconv.Atoi(port)
	if err != nil || !isDigits(port) || n > 65535 {
		return Address{}, fmt.Errorf("port %q is not a number from 0 to 65535", port)
	}
	if host == "" || host == "*" {
		return Address{}, errors.New("every address must be written out, as 0.0.0.0 or [::]")
	}
	if err := checkHost(host); err != nil {
		return Address{}, err
	}
	return Address{Network: TCP, Host: host, Port: n}, nil
}

// hostBytes are those of a host name, and of the zone of an IPv6 address.
const hostBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// checkHost refuses what can be neither a host name nor an IP address. It is
// strict since a host becomes a word of a proxy command: it must mean nothing
// to a shell, and not begin like an option.
func checkHost(host string) error {
	switch {
	case host == "":
		return errors.New("the host must not be empty")
	case strings.HasPrefix(host, "-"):
		return errors.New("a host does not begin with a hyphen")
	case len(host) > 255:
		return errors.New("a host has at most 255 bytes")
	case !isASCII(host):
		return withHint("write the name in punycode, as xn--bcher-kva.example", "%q is not in ASCII", host)
	}
	name := host
	if ip, err := netip.ParseAddr(host); err == nil {
		name = ip.Zone()
	}
	if strings.Trim(name, hostBytes) != "" {
		return fmt.Errorf("%q is not a host", host)
	}
	return nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

// String returns the form that [ParseAddress] reads.
func (a Address) String() string {
	switch a.Network {
	case TCP:
		return net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
	case Unix, Pipe:
		return string(a.Network) + ":" + a.Path
	default:
		return string(a.Network)
	}
}

// overlaps reports whether one machine cannot bind both addresses.
func (a Address) overlaps(b Address) bool {
	switch {
	case a.Network != b.Network:
		return false
	case a.Network != TCP:
		return a.Path == b.Path
	case a.Port != b.Port || a.Port == 0:
		return false
	}
	for _, x := range a.hosts() {
		for _, y := range b.hosts() {
			if sameHost(x, y) {
				return true
			}
		}
	}
	return false
}

// hosts returns what a listener on the address binds.
func (a Address) hosts() []string {
	if strings.EqualFold(a.Host, Localhost) {
		return []string{"127.0.0.1", "::1"}
	}
	return []string{strings.ToLower(a.Host)}
}

// sameHost reports whether binding x takes y as well, or y takes x. The
// wildcard :: takes IPv4 too, since Go and sshd bind it to both families.
func sameHost(x, y string) bool {
	ip, err := netip.ParseAddr(x)
	other, err2 := netip.ParseAddr(y)
	if err != nil || err2 != nil {
		wild := (err == nil && ip.IsUnspecified()) || (err2 == nil && other.IsUnspecified())
		return wild || x == y
	}
	ip, other = ip.Unmap(), other.Unmap()
	return ip == other || takes(ip, other) || takes(other, ip)
}

func takes(wildcard, ip netip.Addr) bool {
	return wildcard.IsUnspecified() && (wildcard.Is6() || ip.Is4())
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// hasControl reports whether s holds a control character.
func hasControl(s string) bool {
	return strings.IndexFunc(s, isControl) >= 0
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
