package link_test

import (
	"context"
	"testing"
	"time"

	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

// heldDial dials the discard port of nobody, and returns how long each wait for
// the link was.
func heldDial(t *testing.T, l *link.Link, hold time.Duration) (waits []time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ctx = link.WithHeld(ctx, func(d time.Duration) { waits = append(waits, d) })
	if c, err := l.Dial(ctx, "127.0.0.1", 9, nil, hold); err == nil {
		c.Close()
	}
	return waits
}

// Who waits for a link is told how long; whoever found it up, or beyond hope,
// did not wait.
func TestWaitsAreTold(t *testing.T) {
	sshtest.Leaks(t)
	_, key := sshtest.NewKey(t)
	const hold = 50 * time.Millisecond
	absent, _ := serve(t, target(t, "127.0.0.1:1", "ana", key, key))
	if waits := heldDial(t, absent, hold); len(waits) != 1 || waits[0] < hold {
		t.Errorf("in vain: %v", waits)
	}
	present, _ := serve(t, sshdTarget(t, sshtest.StartSSHD(t)))
	await(t, present, link.Up)
	if waits := heldDial(t, present, patience); len(waits) != 0 {
		t.Errorf("link up: %v", waits)
	}
	srv := &sshserver.Server{}
	sshtest.Serve(t, srv)
	blocked, _ := serve(t, target(t, srv.Addr(), "ana", key, t.TempDir()+"/none"))
	await(t, blocked, link.Blocked)
	if waits := heldDial(t, blocked, patience); len(waits) != 0 {
		t.Errorf("blocked: %v", waits)
	}
}
