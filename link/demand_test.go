package link_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"tunneld/fault"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

// clock is a link's clock that a test moves on.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[chan time.Time]time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	timer := make(chan time.Time, 1)
	c.timers[timer] = c.now.Add(d)
	return timer
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for timer, at := range c.timers {
		if !at.After(c.now) {
			timer <- c.now
			delete(c.timers, timer)
		}
	}
}

// idleTime is the idle timeout of these tests, on their own clock.
const idleTime = 5 * time.Minute

// onDemand serves a link that is up only while it is used. Nothing on it but
// the idle timeout depends on the clock.
func onDemand(t *testing.T, tg link.Target) (*link.Link, *recorder, *clock) {
	t.Helper()
	tg.Keepalive = 1000 * time.Hour
	k := &clock{now: time.Now(), timers: map[chan time.Time]time.Time{}}
	l, r := serveWith(t, tg, func(l *link.Link) {
		l.Now, l.After = k.Now, k.After
		l.OnDemand(idleTime)
	})
	await(t, l, link.Idle)
	return l, r, k
}

// goesIdle moves the clock on until the link is idle.
func goesIdle(t *testing.T, l *link.Link, k *clock) {
	t.Helper()
	sshtest.Eventually(t, patience, "link idle", func() bool {
		if l.Status().State == link.Idle {
			return true
		}
		k.advance(time.Minute)
		return false
	})
}

// The first use connects, the last one and a time without any disconnect, and
// none of that is an outage.
func TestOnDemand(t *testing.T) {
	sshtest.Leaks(t)
	d, backend := sshtest.StartSSHD(t), sshtest.Echo(t)
	l, r, k := onDemand(t, sshdTarget(t, d))
	if n := d.Connections(); n != 0 {
		t.Fatalf("%d connections before the first use", n)
	}
	for range 3 {
		var clients sync.WaitGroup
		for range 2 {
			clients.Go(func() {
				c, err := dial(t, l, backend.Addr, patience)
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				echo(t, c, "hello")
				k.advance(3 * idleTime) // it is in use for as long as it takes
				echo(t, c, "still here")
			})
		}
		clients.Wait()
		if l.Status().State != link.Up || d.Connections() != 1 {
			t.Fatalf("%+v, %d connections", l.Status(), d.Connections())
		}
		goesIdle(t, l, k)
		sshtest.Eventually(t, patience, "the server sees the end", func() bool { return d.Connections() == 0 })
	}
	if s := l.Status(); s.Reconnects != 0 || !s.LastDown.From.IsZero() || s.Err != nil {
		t.Errorf("status %+v", s)
	}
	if got := strings.Count(r.steps(), "link connecting;"); got != 3 {
		t.Errorf("%d attempts: %s", got, r.steps())
	}
}

// The time counts from the last use, to the minute.
func TestIdleTimeoutCountsFromLastUse(t *testing.T) {
	sshtest.Leaks(t)
	d, backend := sshtest.StartSSHD(t), sshtest.Echo(t)
	l, _, k := onDemand(t, sshdTarget(t, d))
	release := l.Hold()
	await(t, l, link.Up)
	release()
	k.advance(idleTime - time.Minute)
	c, err := dial(t, l, backend.Addr, 0)
	if err != nil {
		t.Fatalf("dial of a link that is not idle yet: %v", err)
	}
	c.Close()
	c.Close() // ends one use, and not two
	k.advance(idleTime - time.Minute)
	again, err := dial(t, l, backend.Addr, 0)
	if err != nil {
		t.Fatalf("dial of a link that is not idle yet: %v", err)
	}
	again.Close()
	goesIdle(t, l, k)
}

// Listening is no use, a channel that the server opens is; one that is
// disregarded never was, and a trial is none.
func TestUseByTheServer(t *testing.T) {
	sshtest.Leaks(t)
	d, backend := sshtest.StartSSHD(t), sshtest.Echo(t)
	l, _, k := onDemand(t, sshdTarget(t, d))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := l.Try(ctx, link.Trial{Host: "127.0.0.1", Port: 1}); !errors.Is(err, link.ErrDown) {
		t.Errorf("a trial on an idle link: %v", err)
	}
	l.Connect()
	ln, err := l.Listen(ctx, "127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	accept := func() net.Conn {
		t.Helper()
		out, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { out.Close() })
		in, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	in := accept()
	k.advance(3 * idleTime)
	in.Close()
	k.advance(idleTime - time.Minute)
	in = accept() // else the link would be idle
	in.Close()
	k.advance(idleTime - time.Minute)
	if c, err := l.Try(ctx, trial(t, backend.Addr)); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
	in = accept()
	in.(interface{ Disregard() }).Disregard()
	k.advance(time.Minute)
	if _, err := ln.Accept(); err != io.EOF {
		t.Errorf("accept on an idle link: %v", err)
	}
	in.Close()
	await(t, l, link.Idle)
}

func trial(t *testing.T, addr string) link.Trial {
	t.Helper()
	to, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return link.Trial{Host: to.IP.String(), Port: to.Port}
}

// A connection that dies in use comes back by itself, and counts as an outage;
// one that nobody uses does not.
func TestLossOnDemand(t *testing.T) {
	sshtest.Leaks(t)
	d, backend := sshtest.StartSSHD(t), sshtest.Echo(t)
	l, _, k := onDemand(t, sshdTarget(t, d))
	c, err := dial(t, l, backend.Addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	echo(t, c, "hello")
	d.KillConnections()
	io.Copy(io.Discard, c)
	c.Close() // as its forward does, before or after the link notices
	sshtest.Eventually(t, patience, "the connection is back", func() bool {
		k.advance(time.Second) // the backoff
		return l.Status().Reconnects == 1
	})
	if s := l.Status(); fault.CodeOf(s.LastDown.Err) != fault.ClosedByServer || s.LastDown.To.IsZero() {
		t.Errorf("last down %+v", s.LastDown)
	}
	last := await(t, l, link.Up).LastDown
	d.KillConnections()
	s := await(t, l, link.Idle)
	if s.LastDown != last || s.Reconnects != 1 || s.Err != nil {
		t.Errorf("status %+v", s)
	}
}

// Whoever brings an idle link up waits for that, and so do those who come
// meanwhile, though they wait for no link that is coming back.
func TestFirstDialsWithoutHold(t *testing.T) {
	sshtest.Leaks(t)
	d, backend := sshtest.StartSSHD(t), sshtest.Echo(t)
	l, _, k := onDemand(t, sshdTarget(t, d))
	for range 2 {
		var dials sync.WaitGroup
		for range 10 {
			dials.Go(func() {
				c, err := dial(t, l, backend.Addr, 0)
				if err != nil {
					t.Error(err)
					return
				}
				c.Close()
			})
		}
		dials.Wait()
		goesIdle(t, l, k)
	}
	d.Stop()
	if _, err := dial(t, l, backend.Addr, 0); fault.CodeOf(err) != fault.HoldExpired || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody there: %v", err)
	}
}

// An attempt that fails is not repeated for nobody.
func TestFailedAttemptOnDemand(t *testing.T) {
	sshtest.Leaks(t)
	_, key := sshtest.NewKey(t)
	l, r, k := onDemand(t, target(t, "127.0.0.1:1", "ana", key, key))
	if _, err := dial(t, l, "127.0.0.1:1", 200*time.Millisecond); fault.CodeOf(err) != fault.HoldExpired {
		t.Errorf("dial: %v", err)
	}
	await(t, l, link.Waiting)
	goesIdle(t, l, k)
	if s := l.Status(); fault.CodeOf(s.Err) != fault.ConnectRefused {
		t.Errorf("an idle link does not say why it failed: %+v", s)
	}
	if n := strings.Count(r.steps(), "link connecting;"); n != 1 {
		t.Errorf("%d attempts", n)
	}
}

// A link that is down for a moment between two uses looks to nobody as if it
// were stopped.
func TestDialWhileItGoesIdle(t *testing.T) {
	sshtest.Leaks(t)
	d, backend := sshtest.StartSSHD(t), sshtest.Echo(t)
	l, r := serveWith(t, sshdTarget(t, d), func(l *link.Link) { l.OnDemand(time.Millisecond) })
	for range 20 {
		c, err := dial(t, l, backend.Addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		echo(t, c, "hello")
		c.Close()
	}
	await(t, l, link.Idle)
	if s := l.Status(); s.Reconnects != 0 || !s.LastDown.From.IsZero() {
		t.Errorf("status %+v", s)
	}
	if strings.Contains(r.steps(), "link waiting") || strings.Contains(r.steps(), "link down") {
		t.Error(r.steps())
	}
}

// What keeps a link up may change while it is served.
func TestDemandChanges(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	l, _, k := onDemand(t, sshdTarget(t, d))
	l.OnDemand(0)
	await(t, l, link.Up)
	l.OnDemand(idleTime)
	goesIdle(t, l, k)
	l.Wake() // ends no more than a wait between attempts
	l.Retarget(sshdTarget(t, d))
	l.Connect()
	await(t, l, link.Up)
	l.Retarget(sshdTarget(t, d))
	await(t, l, link.Idle) // nobody uses it
	l.Restart()
	await(t, l, link.Up)
	release := l.Hold()
	l.Retarget(sshdTarget(t, d))
	sshtest.Eventually(t, patience, "used, it comes back", func() bool { return l.Status().Reconnects == 1 })
	release()
	goesIdle(t, l, k)
}

// A refusal is tried again as ever: a person or a file mends it, and sees that.
func TestRefusedOnDemand(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	_, key := sshtest.NewKey(t)
	tg := sshdTarget(t, d)
	tg.Credentials.Files = []string{key}
	l, _, _ := onDemand(t, tg)
	if _, err := dial(t, l, "127.0.0.1:1", patience); fault.CodeOf(err) != fault.AuthRejected {
		t.Errorf("dial: %v", err)
	}
	await(t, l, link.Refused)
	l.Retarget(sshdTarget(t, d))
	await(t, l, link.Up)
}
