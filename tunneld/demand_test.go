package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// onDemand is a profile of that kind whose link is soon idle.
func onDemand(text string) string { return "start = 'on-demand'\nidle_timeout = '300ms'\n" + text }

// status returns the status of one profile, as the command prints it.
func (p *process) status(name string) control.Profile {
	p.t.Helper()
	stdout, stderr, _ := command(p.t, "status", name, "--json", "--config", p.dir)
	var s control.Status
	if err := json.Unmarshal([]byte(stdout), &s); err != nil || len(s.Profiles) != 1 {
		p.t.Fatalf("status: %v: %s%s", err, stdout, stderr)
	}
	return s.Profiles[0]
}

// act runs up, down or restart, which must do.
func (p *process) act(action string, args ...string) {
	p.t.Helper()
	if _, stderr, status := command(p.t, append([]string{action, "--config", p.dir}, args...)...); status != 0 {
		p.t.Fatalf("%s: %s", action, stderr)
	}
}

// The first connection brings the link up, with every byte; a time without one
// takes it down, as the server sees; and then again, with two clients at once.
func TestOnDemandProfile(t *testing.T) {
	t.Parallel()
	d, sink := sshtest.StartSSHD(t), sshtest.Sink(t)
	local := freeAddr(t)
	p := startDaemon(t, map[string]string{"work": onDemand(server(d) + localForward("db", local, sink.Addr))})
	p.forward(0, "work", "db", "listening")
	p.link(0, "work", "idle")
	if n := d.Connections(); n != 0 {
		t.Fatalf("%d connections before the first client", n)
	}
	before := p.descriptors()
	want := sshtest.Digest(sshtest.Pattern(4 << 20))
	for range 2 {
		mark := p.mark()
		var clients sync.WaitGroup
		for range 2 {
			clients.Go(func() {
				c := dialTCP(t, local)
				io.Copy(c, sshtest.Pattern(4<<20))
				c.CloseWrite()
				if got, err := io.ReadAll(c); string(got) != want || err != nil {
					t.Errorf("%s, %v", got, err)
				}
			})
		}
		clients.Wait()
		if e := p.link(mark, "work", "idle"); e.Level != control.Info || e.Code != "" {
			t.Errorf("event %+v", e)
		}
		sshtest.Eventually(t, patience, "the server sees the end", func() bool { return d.Connections() == 0 })
	}
	sshtest.Eventually(t, patience, "no more descriptors than before", func() bool { return p.descriptors() <= before })
	s := p.status("work")
	if s.State != "idle" || s.Reconnects != 0 || s.LastDown != nil || s.Error != nil || s.Start != "on-demand" || s.Forwards[0].State != "listening" {
		t.Errorf("status %+v", s)
	}
	if _, stderr, status := command(t, "status", "--wait", "1m", "--config", p.dir); status != 0 {
		t.Errorf("an idle profile is not missing: %s", stderr)
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
}

// A connection in use that dies comes back by itself, and is an outage.
func TestOnDemandKilledInUse(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	local := freeAddr(t)
	p := startDaemon(t, map[string]string{"work": onDemand(server(d) + localForward("db", local, echo.Addr))})
	p.forward(0, "work", "db", "listening")
	c := dialTCP(t, local)
	ping(t, c, "one")
	mark := p.mark()
	d.KillConnections()
	p.link(mark, "work", "up")
	ping(t, dialTCP(t, local), "two")
	if s := p.status("work"); s.Reconnects != 1 || s.LastDown == nil {
		t.Errorf("status %+v", s)
	}
}

// up connects an idle profile, whose remote forwards then listen, and are no
// use by themselves; a client of one is.
func TestOnDemandRemote(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	remote := freeAddr(t)
	// The command that brings it up takes a second to end, under the race detector.
	p := startDaemon(t, map[string]string{"work": "start = 'on-demand'\nidle_timeout = '2s'\n" + server(d) + remoteForward("hook", remote, echo.Addr)})
	p.forward(0, "work", "hook", "waiting")
	p.link(0, "work", "idle")
	p.act("up", "work", "--wait", "20s")
	p.forward(0, "work", "hook", "listening")
	var c net.Conn
	tries := 0
	sshtest.Eventually(t, patience, "a client before it is idle", func() bool {
		if tries++; tries%50 == 1 {
			p.act("up", "work")
		}
		var err error
		if c, err = net.Dial("tcp", remote); err != nil {
			return false
		}
		return tryPing(c, "in use") == nil
	})
	defer c.Close()
	used := time.Now()
	sshtest.Eventually(t, patience, "it is in use for longer than the idle timeout", func() bool {
		ping(t, c, "still")
		return time.Since(used) > 3*time.Second
	})
	mark := p.mark()
	c.Close()
	p.link(mark, "work", "idle")
	p.forward(mark, "work", "hook", "waiting")
	if f := p.status("work").Forwards[0]; f.State != "waiting" || f.Error != nil {
		t.Errorf("forward %+v", f)
	}
}

// A hop is up while a profile behind it is, whether it is on demand or manual;
// one that a person stopped is not.
func TestHopOnDemand(t *testing.T) {
	t.Parallel()
	for _, start := range []string{"on-demand", "manual"} {
		t.Run(start, func(t *testing.T) {
			edge, inner, echo := sshtest.StartSSHD(t), sshtest.StartSSHD(t), sshtest.Echo(t)
			local, own := freeAddr(t), freeAddr(t)
			rest := map[string]string{"on-demand": "idle", "manual": "down"}[start]
			p := startDaemon(t, map[string]string{
				"edge": fmt.Sprintf("start = %q\nidle_timeout = '300ms'\n", start) + server(edge) + localForward("own", own, echo.Addr),
				"lab":  onDemand(behind(server(inner), "profile:edge") + localForward("db", local, echo.Addr)),
			})
			p.forward(0, "lab", "db", "listening")
			isAtRest := func() bool { return p.status("edge").State == rest }
			sshtest.Eventually(t, patience, "the hop at rest", isAtRest)
			c := dialTCP(t, local)
			ping(t, c, "through the hop")
			if s := p.status("edge"); s.State != "up" || s.StoppedBy != nil {
				t.Errorf("the hop is %+v", s)
			}
			if conn, err := net.Dial("tcp", own); err == nil {
				conn.Close()
				if start == "manual" {
					t.Error("a manual profile that is only a hop listens")
				}
			}
			c.Close()
			sshtest.Eventually(t, patience, "the hop at rest again", isAtRest)
			sshtest.Eventually(t, patience, "no connections", func() bool { return edge.Connections() == 0 && inner.Connections() == 0 })
			p.act("down", "edge")
			if tryPing(dialTCP(t, local), "no way") == nil {
				t.Error("a hop that a person stopped is used")
			}
			p.coded(0, "lab", fault.JumpFailed)
			p.act("up", "edge")
			ping(t, dialTCP(t, own), "the hop's own forward")
			ping(t, dialTCP(t, local), "through the hop")
		})
	}
}

// behind adds a jump to the server of a profile.
func behind(text, hop string) string {
	return strings.Replace(text, "server = {", fmt.Sprintf("server = { proxy_jump = [%q],", hop), 1)
}

// A manual profile waits for up; until then nothing of it runs, and nothing is
// missing.
func TestManual(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	local := freeAddr(t)
	text := server(d) + localForward("db", local, echo.Addr)
	p := startDaemon(t, map[string]string{"work": "start = 'manual'\n" + text})
	p.await(0, "started", func(e control.Event) bool { return e.Kind == "daemon" && e.Message == "started" })
	stopped := func(by string) {
		t.Helper()
		sshtest.Eventually(t, patience, "stopped by "+by, func() bool {
			s := p.status("work")
			return s.State == "down" && s.StoppedBy != nil && *s.StoppedBy == by
		})
		if _, err := net.Dial("tcp", local); err == nil {
			t.Error("it listens")
		}
	}
	stopped("manual")
	if _, stderr, status := command(t, "status", "--config", p.dir); status != 0 {
		t.Errorf("a manual profile is not missing: %s", stderr)
	}
	p.act("up", "work", "--wait", "20s")
	ping(t, dialTCP(t, local), "hello")
	p.act("down", "work")
	stopped("user")
	p.act("up", "work/db", "--wait", "20s")
	open := dialTCP(t, local)
	ping(t, open, "hello")
	// An edit of start, or of idle_timeout, cuts nothing.
	for _, start := range []string{"always", "on-demand", "manual", "always", "manual"} {
		mark := p.mark()
		p.reload("work", fmt.Sprintf("start = %q\nidle_timeout = '1m'\n", start)+text)
		p.await(mark, "edit", func(e control.Event) bool { return e.Kind == "profile" && e.Message == "profile changed" })
		ping(t, open, start)
		if s := p.status("work"); s.State != "up" || s.Start != start || s.Reconnects != 0 {
			t.Errorf("status %+v", s)
		}
	}
	p.reload("work", "enabled = false\nstart = 'manual'\n"+text)
	sshtest.Eventually(t, patience, "disabled", func() bool { return p.status("work").State == "disabled" })
	p.reload("work", "start = 'manual'\n"+text)
	stopped("manual")
	mark := p.mark()
	p.reload("work", text)
	p.forward(mark, "work", "db", "listening")
	ping(t, dialTCP(t, local), "always, and so it runs")
}
