package forward_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"tunneld/fault"
	"tunneld/forward"
)

func hasIPv6(t *testing.T) bool {
	ln, err := net.Listen("tcp6", "[::1]:0")
	if err == nil {
		ln.Close()
	}
	return err == nil
}

// localhost is both loopback addresses, on one port.
func TestListenLocalhost(t *testing.T) {
	ln := must[net.Listener](t)(forward.ListenTCP(t.Context(), "localhost", 0))
	defer ln.Close()
	addrs := []net.Addr{ln.Addr()}
	if m, ok := ln.(interface{ Addrs() []net.Addr }); ok {
		addrs = m.Addrs()
	}
	if hasIPv6(t) && len(addrs) != 2 {
		t.Fatalf("bound to %v", addrs)
	}
	for _, a := range addrs {
		if a.(*net.TCPAddr).Port != ln.Addr().(*net.TCPAddr).Port {
			t.Errorf("ports differ: %v", addrs)
		}
		c := must[net.Conn](t)(net.Dial("tcp", a.String()))
		defer c.Close()
		s := must[net.Conn](t)(ln.Accept())
		defer s.Close()
		if s.LocalAddr().String() != a.String() || s.RemoteAddr().String() != c.LocalAddr().String() {
			t.Errorf("dialled %s, accepted at %s from %s", a, s.LocalAddr(), s.RemoteAddr())
		}
	}
}

// Close ends Accept, frees the ports and drops what nobody accepted.
func TestListenLocalhostClose(t *testing.T) {
	ln := must[net.Listener](t)(forward.ListenTCP(t.Context(), "localhost", 0))
	c := must[net.Conn](t)(net.Dial("tcp", ln.Addr().String()))
	defer c.Close()
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v", err)
	}
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d, %v", n, err)
	}
	again := must[net.Listener](t)(forward.ListenTCP(t.Context(), "localhost", ln.Addr().(*net.TCPAddr).Port))
	again.Close()
}

func TestListenInUse(t *testing.T) {
	for _, taken := range []string{"127.0.0.1", "::1"} {
		if taken == "::1" && !hasIPv6(t) {
			t.Skip("no IPv6")
		}
		other := must[net.Listener](t)(net.Listen("tcp", net.JoinHostPort(taken, "0")))
		defer other.Close()
		port := other.Addr().(*net.TCPAddr).Port
		ln, err := forward.ListenTCP(t.Context(), "localhost", port)
		if err == nil {
			ln.Close()
		}
		if fault.CodeOf(err) != fault.ListenInUse || !strings.Contains(err.Error(), strconv.Itoa(port)) {
			t.Errorf("%s taken: %v", taken, err)
		}
	}
}

func TestListenDenied(t *testing.T) {
	_, err := forward.ListenTCP(t.Context(), "192.0.2.1", 5432)
	if fault.CodeOf(err) != fault.ListenDenied || !strings.Contains(err.Error(), "192.0.2.1:5432") {
		t.Errorf("no such address: %v", err)
	}
	if hint := fault.HintOf(err); hint == fault.ListenDenied.Hint() {
		t.Errorf("hint: %s", hint)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if ln, err := forward.ListenTCP(ctx, "nosuch.invalid", 0); err != context.Canceled {
		t.Errorf("cancelled: %v, %v", ln, err)
	}
}

func TestDialTCP(t *testing.T) {
	echo := echoServer(t).(*net.TCPAddr)
	c := must[net.Conn](t)(forward.DialTCP(t.Context(), "localhost", echo.Port))
	roundTrip(t, c, "hello")
	c.Close()

	closed := loopback(t)
	closed.Close()
	_, err := forward.DialTCP(t.Context(), "127.0.0.1", closed.Addr().(*net.TCPAddr).Port)
	if fault.CodeOf(err) != fault.TargetRefused || !strings.Contains(err.Error(), closed.Addr().String()) {
		t.Errorf("refused: %v", err)
	}
	late, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if _, err = forward.DialTCP(late, "127.0.0.1", echo.Port); fault.CodeOf(err) != fault.TargetTimeout {
		t.Errorf("late: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = forward.DialTCP(cancelled, "127.0.0.1", echo.Port); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

// The whole of a local forward: a port here, and the end of a stream that
// crosses it.
func TestLocalhostForward(t *testing.T) {
	s := serve(t, &forward.Forward{Listen: func(ctx context.Context) (net.Listener, error) {
		return forward.ListenTCP(ctx, "localhost", 0)
	}})
	for _, to := range s.await(t, forward.Listening).Bound {
		c := must[net.Conn](t)(net.Dial("tcp", to.String()))
		defer c.Close()
		io.WriteString(c, "hello")
		c.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
			t.Errorf("%s: %q, %v", to, got, err)
		}
	}
}
