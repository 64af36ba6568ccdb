package forward

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"

	"tunneld/fault"
)

// dialTimeout bounds DialTCP, names included.
const dialTimeout = 10 * time.Second

// DialTCP connects to host:port from this machine, within 10 s; of several
// addresses the first to answer wins (RFC 8305). An error has the code
// fault.TargetTimeout when nothing answered in time, else fault.TargetRefused.
func DialTCP(ctx context.Context, host string, port int) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err == nil {
		return conn, nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, ctx.Err()
	}
	return nil, dialFault(err)
}

func dialFault(err error) error {
	var timeout net.Error
	var dns *net.DNSError
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return fault.New(fault.TargetTimeout, fault.Forward, "%w", err)
	case errors.As(err, &dns):
		return fault.New(fault.TargetRefused, fault.Forward, "%w", err).
			WithHint("this machine does not know the name: check target")
	}
	return fault.New(fault.TargetRefused, fault.Forward, "%w", err)
}

// ListenTCP listens on host:port of this machine. The host localhost means
// 127.0.0.1 and, where the machine has IPv6, ::1 with the same port; port 0
// chooses one. An IPv4 address is IPv4 alone: 0.0.0.0 opens nothing on IPv6. A
// listener on both has the method Addrs() []net.Addr. An error
// has the code fault.ListenInUse, or fault.ListenDenied for any other reason,
// and names the address.
func ListenTCP(ctx context.Context, host string, port int) (net.Listener, error) {
	return ListenTCPBy(ctx, nil, host, port)
}

// ListenFunc opens one listening socket, as config.Listen does. A TCP address has
// an IP address, or a name other than localhost.
type ListenFunc func(ctx context.Context, config *net.ListenConfig, network, address string) (net.Listener, error)

// listenAnew is the ListenFunc of the system.
func listenAnew(ctx context.Context, config *net.ListenConfig, network, address string) (net.Listener, error) {
	return config.Listen(ctx, network, address)
}

// ListenTCPBy is ListenTCP with sockets that listen opens, such as those of an
// earlier process; nil is the system.
func ListenTCPBy(ctx context.Context, listen ListenFunc, host string, port int) (net.Listener, error) {
	if listen == nil {
		listen = listenAnew
	}
	ln, err := listenHost(host, port, func(network, addr string) (net.Listener, error) {
		return listen(ctx, new(net.ListenConfig), network, addr)
	})
	if err == nil {
		return ln, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, listenFault(err)
}

func listenFault(err error) error {
	switch {
	case errors.Is(err, errInUse):
		return fault.New(fault.ListenInUse, fault.Forward, "%w", err)
	case errors.Is(err, errNotAvailable):
		return fault.New(fault.ListenDenied, fault.Forward, "%w", err).
			WithHint("this machine has no such address: check listen")
	}
	return fault.New(fault.ListenDenied, fault.Forward, "%w", err)
}

// listenFunc is net.Listen, or what a test puts in its place.
type listenFunc func(network, addr string) (net.Listener, error)

func listenHost(host string, port int, listen listenFunc) (net.Listener, error) {
	if host != "localhost" {
		network := "tcp"
		if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
			network = "tcp4" // with "tcp", net opens [::] for 0.0.0.0
		}
		ln, err := listen(network, net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			return nil, err
		}
		return merge(ln), nil
	}
	ln, err := listenLoopback(port, listen)
	for try := 1; port == 0 && errors.Is(err, errInUse) && try < 20; try++ {
		ln, err = listenLoopback(port, listen) // free on one is not free on both
	}
	return ln, err
}

func listenLoopback(port int, listen listenFunc) (net.Listener, error) {
	v4, err := listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	_, chosen, err := net.SplitHostPort(v4.Addr().String())
	if err != nil {
		shut(v4)
		return nil, err
	}
	v6, err := listen("tcp6", net.JoinHostPort("::1", chosen))
	switch {
	case err == nil:
		return merge(v4, v6), nil
	case errors.Is(err, errNotAvailable) || errors.Is(err, errNoFamily):
		return merge(v4), nil // no IPv6 here
	}
	shut(v4)
	return nil, err
}
