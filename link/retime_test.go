package link_test

import (
	"testing"
	"time"

	"tunneld/fault"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

// Other times leave a live connection as it is, whatever its silence was until
// then, and it is they that find it dead.
func TestRetimeKeepsTheConnection(t *testing.T) {
	t.Parallel()
	d, backend := sshtest.StartSSHD(t), sshtest.Echo(t)
	quick := sshdTarget(t, d)
	l, _ := serve(t, unhurried(quick))
	c, err := dial(t, l, backend.Addr, patience) // so that the server forks no more
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	time.Sleep(4 * quick.Keepalive) // a silence that would be too long
	l.Retime(quick)
	sshtest.Eventually(t, patience, "an answered keepalive", func() bool { return l.Status().RTT > 0 })
	echo(t, c, "still there")
	if s := l.Status(); s.State != link.Up || !s.LastDown.From.IsZero() {
		t.Errorf("%+v", s)
	}
	d.Pause(false)
	lostOnce(t, l, fault.KeepaliveLost)
}

// A wait of the old length is over.
func TestRetimeEndsTheWait(t *testing.T) {
	sshtest.Leaks(t)
	_, key := sshtest.NewKey(t)
	quick := target(t, "127.0.0.1:1", "ana", key, key)
	l, r := serve(t, unhurried(quick))
	await(t, l, link.Waiting)
	l.Retime(quick)
	sshtest.Eventually(t, patience, "attempts", func() bool { return r.attempts() > 2 })
}
