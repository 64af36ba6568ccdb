package link_test

import (
	"testing"

	"tunneld/fault"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

// A network that breaks at any byte of the three steps is a connection that
// ended, to be tried again soon: never a server that said no.
func TestCutAtAnyByteIsNoRefusal(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	relay := sshtest.NewRelay(t, d.Addr)
	tg := target(t, relay.Addr, d.User, d.ClientKey, sshtest.KnownHosts(t, relay.Addr, d.HostKeys...))
	seen := map[fault.Step]int{}
	for n := int64(1); ; n += 41 {
		relay.CutAfter(n)
		_, err := link.New(tg).Trace(t.Context())
		if err == nil {
			break
		}
		f := fault.As(err)
		if f == nil || f.Code != fault.ClosedByServer {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
		seen[f.Step]++
	}
	if seen[fault.Kex] < 5 || seen[fault.Auth] < 5 {
		t.Errorf("the cuts fell into %v", seen)
	}
}
