package daemon

import (
	"context"
	"net"
	"testing"
	"time"

	"tunneld/control"
	"tunneld/forward"
	"tunneld/internal/sshtest"
	"tunneld/profiles"
)

// The rates are of the bytes that passed, and each is of its direction: whoever
// connects to a remote forward is on the server's side.
func TestRates(t *testing.T) {
	sshtest.Leaks(t)
	sink, noon := sshtest.Sink(t), time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	host, port := hostPort(t, sink.Addr)
	f := &forward.Forward{
		Listen: func(ctx context.Context) (net.Listener, error) { return forward.ListenTCP(ctx, "127.0.0.1", 0) },
		Dial:   func(ctx context.Context, _ net.Addr) (net.Conn, error) { return forward.DialTCP(ctx, host, port) },
		Now:    func() time.Time { return noon },
	}
	sshtest.Run(t, f)
	sshtest.Eventually(t, patience, "listening", func() bool { return f.Status().State == forward.Listening })
	c, err := net.DialTimeout("tcp", f.Status().Bound[0].String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	sshtest.Eventually(t, patience, "the bytes", func() bool { return f.Stats().ToTarget == 1000 })
	for kind, want := range map[profiles.Kind][2]float64{profiles.Local: {200, 0}, profiles.Remote: {0, 200}} {
		var out control.Forward
		observeForward(&out, "work", kind, f)
		if got := [2]float64{out.RateToServer, out.RateFromServer}; got != want {
			t.Errorf("%s: %v there and back, want %v", kind, got, want)
		}
	}
}

func hostPort(t *testing.T, addr string) (string, int) {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return a.IP.String(), a.Port
}
