package forward

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"tunneld/fault"
)

// fakeListener is bound to an address in name only.
type fakeListener struct {
	net.Listener
	addr   string
	closed *int
}

func (f fakeListener) Addr() net.Addr {
	a, _ := net.ResolveTCPAddr("tcp", f.addr)
	return a
}

func (f fakeListener) Close() error              { *f.closed++; return nil }
func (f fakeListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }

// machine is a listenFunc: v6 says what becomes of the nth listen on ::1.
func machine(v6 func(n int) error) (listenFunc, *int) {
	closed, n := new(int), 0
	return func(network, addr string) (net.Listener, error) {
		addr = strings.Replace(addr, ":0", ":4000", 1)
		if network == "tcp6" {
			n++
			if err := v6(n); err != nil {
				return nil, &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", err)}
			}
		}
		return fakeListener{addr: addr, closed: closed}, nil
	}, closed
}

func TestWithoutIPv6(t *testing.T) {
	for _, err := range []error{errNotAvailable, errNoFamily} {
		listen, closed := machine(func(int) error { return err })
		ln, err := listenHost("localhost", 80, listen)
		if err != nil || len(bound(ln)) != 1 || ln.Addr().String() != "127.0.0.1:80" || *closed != 0 {
			t.Errorf("%v, %v, %d closed", ln, err, *closed)
		}
	}
}

// A chosen port that is taken on ::1 is given back and another one chosen.
func TestChosenPortTaken(t *testing.T) {
	listen, closed := machine(func(n int) error {
		if n < 3 {
			return errInUse
		}
		return nil
	})
	ln, err := listenHost("localhost", 0, listen)
	if err != nil || len(bound(ln)) != 2 || *closed != 2 {
		t.Fatalf("%v, %v, %d closed", ln, err, *closed)
	}
	ln.Close()

	listen, closed = machine(func(int) error { return errInUse })
	if _, err = listenHost("localhost", 0, listen); !errors.Is(err, errInUse) || *closed != 20 {
		t.Errorf("all taken: %v, %d closed", err, *closed)
	}
	if fault.CodeOf(listenFault(err)) != fault.ListenInUse {
		t.Errorf("all taken: %v", listenFault(err))
	}
}

func TestBuffer(t *testing.T) {
	var b buffer
	defer b.release()
	for i, step := range []struct{ read, next int }{
		{64, 2 << 10}, // small messages stay small
		{2 << 10, 32 << 10},
		{16 << 10, 32 << 10}, // packets of a stream
		{32 << 10, 256 << 10},
		{256 << 10, 256 << 10},
		{100 << 10, 2 << 10}, // perhaps the last one
		{2 << 10, 32 << 10},
		{5000, 2 << 10},
	} {
		b.fit(step.read)
		if got := len(b.bytes()); got != step.next {
			t.Errorf("step %d: %d after a read of %d, want %d", i, got, step.read, step.next)
		}
	}
}

func TestDNSHint(t *testing.T) {
	err := dialFault(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "db.internal", IsNotFound: true}})
	if fault.CodeOf(err) != fault.TargetRefused || fault.HintOf(err) == fault.TargetRefused.Hint() {
		t.Errorf("%v, hint: %s", err, fault.HintOf(err))
	}
	err = dialFault(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "i/o timeout", IsTimeout: true}})
	if fault.CodeOf(err) != fault.TargetTimeout {
		t.Errorf("%v", err)
	}
}
