package link_test

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"tunneld/fault"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

// unhurried makes a target wait for an hour after every failure, and keepalives
// notice nothing.
func unhurried(tg link.Target) link.Target {
	tg.Backoff = link.Backoff{Min: time.Hour, Max: 1000 * time.Hour}
	tg.Keepalive = time.Hour
	return tg
}

// attempts counts those that have begun.
func (r *recorder) attempts() int { return len(r.details("link connecting")) }

// lostOnce waits for the one loss, and the link to be up again.
func lostOnce(t *testing.T, l *link.Link, code fault.Code) {
	t.Helper()
	sshtest.Eventually(t, patience, "up again", func() bool { return l.Status().Reconnects == 1 })
	if s := await(t, l, link.Up); fault.CodeOf(s.LastDown.Err) != code {
		t.Errorf("lost because of %v, want %s", s.LastDown.Err, code)
	}
}

// A server that fell silent is noticed by a probe, long before a keepalive, and
// the next attempt is at once, long before the backoff.
func TestProbeOfSilentServer(t *testing.T) {
	sshtest.Leaks(t)
	d, backend := sshtest.StartSSHD(t), sshtest.Echo(t)
	l, _ := serve(t, unhurried(sshdTarget(t, d)))
	c, err := dial(t, l, backend.Addr, patience) // so that the server forks no more
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	d.Pause(false)
	l.Probe(100 * time.Millisecond)
	lostOnce(t, l, fault.KeepaliveLost)
}

// A server that answers keeps its connection, however often it is probed; only
// one probe at a time asks.
func TestProbeThatIsAnswered(t *testing.T) {
	sshtest.Leaks(t)
	d, backend := sshtest.StartSSHD(t), sshtest.Echo(t)
	const within = 2 * time.Second
	var asked atomic.Int32
	l, _ := serveWith(t, unhurried(sshdTarget(t, d)), func(l *link.Link) {
		l.After = func(d time.Duration) <-chan time.Time {
			if d == within {
				asked.Add(1)
			}
			return time.After(d)
		}
	})
	c, err := dial(t, l, backend.Addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	began := time.Now()
	sshtest.Eventually(t, patience, "a probe after the first", func() bool {
		l.Probe(within)
		return asked.Load() > 1
	})
	if took := time.Since(began); took < within {
		t.Errorf("the second probe began %s after the first, which takes %s", took, within)
	}
	echo(t, c, "still there")
	if n := l.Status().Reconnects; n > 0 {
		t.Errorf("%d reconnects", n)
	}
}

// One that waits tries at once, once for each probe, and does not forget how
// often it has failed.
func TestProbeEndsAWait(t *testing.T) {
	sshtest.Leaks(t)
	_, key := sshtest.NewKey(t)
	l, r := serveWith(t, unhurried(target(t, "127.0.0.1:1", "ana", key, key)), func(l *link.Link) {
		l.Rand = func(n int64) int64 { return n - 1 }
	})
	for n := 1; n <= 4; n++ {
		sshtest.Eventually(t, patience, "a failed attempt", func() bool {
			return r.attempts() == n && l.Status().State == link.Waiting
		})
		if wait, want := time.Until(l.Status().RetryAt).Round(time.Hour), time.Hour<<n; wait != want {
			t.Errorf("waits %s after %d failures, want %s", wait, n, want)
		}
		l.Probe(time.Second)
	}
}

// A refused one that was to try again while the machine slept does so then, and
// no sooner.
func TestProbeOfRefused(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	_, stranger := sshtest.NewKey(t)
	var slept atomic.Int64
	l, r := serveWith(t, target(t, d.Addr, d.User, stranger, d.KnownHosts), func(l *link.Link) {
		l.Now = func() time.Time { return time.Now().Round(0).Add(time.Duration(slept.Load())) }
	})
	await(t, l, link.Refused)
	l.Probe(time.Second)
	time.Sleep(200 * time.Millisecond) // for an attempt that should not be
	if n := r.attempts(); n != 1 {
		t.Errorf("%d attempts", n)
	}
	slept.Store(int64(2 * time.Hour))
	sshtest.Eventually(t, patience, "another attempt", func() bool {
		l.Probe(time.Second)
		return r.attempts() == 2
	})
	s := await(t, l, link.Refused)
	if wait := s.RetryAt.Sub(time.Now().Round(0)); wait < 2*time.Hour {
		t.Errorf("the next try is in %s", wait)
	}
}

func TestLoseAnAddress(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	l, _ := serve(t, unhurried(sshdTarget(t, d)))
	await(t, l, link.Up)
	l.Lose([]netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("::1")})
	l.Lose([]netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("127.0.0.1")})
	lostOnce(t, l, fault.NetworkChanged)
}

// The address is that of the way out of this machine.
func TestLoseAnAddressBehindAJump(t *testing.T) {
	sshtest.Leaks(t)
	hop, d := sshtest.StartSSHD(t), sshtest.StartSSHD(t)
	tg := unhurried(sshdTarget(t, d))
	tg.Jumps = []link.Target{sshdTarget(t, hop)}
	l, _ := serve(t, tg)
	await(t, l, link.Up)
	l.Lose([]netip.Addr{netip.MustParseAddr("127.0.0.1")})
	lostOnce(t, l, fault.NetworkChanged)
}

// A connection through another link has no address of its own.
func TestLoseNoAddressThroughAnotherLink(t *testing.T) {
	sshtest.Leaks(t)
	d, backend := sshtest.StartSSHD(t), sshtest.Echo(t)
	tg := unhurried(sshdTarget(t, d))
	tg.DialContext = new(net.Dialer).DialContext
	l, _ := serve(t, tg)
	c, err := dial(t, l, backend.Addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l.Lose([]netip.Addr{netip.MustParseAddr("127.0.0.1")})
	echo(t, c, "still there")
	if s := l.Status(); s.State != link.Up || s.Reconnects > 0 {
		t.Errorf("status %+v", s)
	}
}
