package main

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// probed adds a probe to the forward that text ends with.
func probed(text string) string { return text + "probe = '50ms'\n" }

// probe waits for an answer of a forward's probe.
func (p *process) probe(profile, forward string, ok bool) control.Forward {
	p.t.Helper()
	var found control.Forward
	p.link(0, profile, "up") // the daemon answers by then
	sshtest.Eventually(p.t, patience, fmt.Sprintf("a probe of %s that is %v", forward, ok), func() bool {
		for _, f := range p.status(profile).Forwards {
			if f.Name == forward && f.Probe != nil && f.Probe.OK == ok {
				found = f
			}
		}
		return found.Name != ""
	})
	return found
}

// probeEvent waits for an event of a forward's probe.
func (p *process) probeEvent(mark int, forward, message string) control.Event {
	p.t.Helper()
	return p.await(mark, forward+": "+message, func(e control.Event) bool {
		return e.Kind == "probe" && e.Forward == forward && e.Message == message
	})
}

// A target that dies is seen, told once, and seen when it is back; none of that
// is a connection of the forward's, nor a reason for an exit status.
func TestProbeOfTarget(t *testing.T) {
	t.Parallel()
	d := sshtest.StartSSHD(t)
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { target.Close() }()
	p := startDaemon(t, map[string]string{"work": server(d) + probed(localForward("db", freeAddr(t), target.Addr().String()))})
	if f := p.probe("work", "db", true); f.Probe.Error != nil || f.Probe.At.IsZero() || f.Probe.Milliseconds <= 0 {
		t.Errorf("probe %+v", f.Probe)
	}
	target.Close()
	e := p.probeEvent(0, "db", "probe failed")
	if e.Code != fault.ProbeFailed || e.Level != control.Warn || e.Hint == "" || !strings.Contains(e.Detail, target.Addr().String()) {
		t.Errorf("event %+v", e)
	}
	f := p.probe("work", "db", false)
	if f.Probe.Error.Code != fault.ProbeFailed || f.Probe.Error.Hint == "" || f.State != "listening" {
		t.Errorf("forward %+v, probe %+v", f, f.Probe)
	}
	stdout, _, status := command(t, "status", "--config", p.dir)
	if status != 0 || !strings.Contains(stdout, "probe_failed: target_refused: "+target.Addr().String()) {
		t.Errorf("exit status %d:\n%s", status, stdout)
	}
	first := f.Probe.At
	sshtest.Eventually(t, patience, "a second failure", func() bool { return p.probe("work", "db", false).Probe.At.After(first) })
	mark := p.mark()
	target, err = net.Listen("tcp", target.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if e := p.probeEvent(mark, "db", "probe works again"); e.Repeats == 0 {
		t.Errorf("event %+v: the failures in between were not counted", e)
	}
	if f := p.probe("work", "db", true); f.Total != 0 || f.Failed != 0 || f.Active != 0 {
		t.Errorf("probes count: %+v", f)
	}
}

// While a remote forward is probed its clients get every byte, first those of a
// target that speaks first, and its target none of the probe's.
func TestProbeOfRemote(t *testing.T) {
	t.Parallel()
	d := sshtest.StartSSHD(t, "StreamLocalBindUnlink yes")
	const welcome = "220 ready when you are\r\n"
	banner := sshtest.Script(t, func(c net.Conn) { io.WriteString(c, welcome); io.Copy(c, c) })
	hangs := sshtest.Script(t, sshtest.Silent)
	addrs := freeAddrs(t, 3)
	socket := filepath.Join(t.TempDir(), "s")
	p := startDaemon(t, map[string]string{"work": server(d) +
		probed(remoteForward("mail", addrs[0], banner.Addr)) + probed(remoteForward("hangs", addrs[1], hangs.Addr)) +
		probed(remoteForward("proxy", addrs[2], "socks")) + probed(remoteForward("socket", "unix:"+socket, banner.Addr)) +
		probed(remoteForward("any", "127.0.0.1:0", banner.Addr))})
	for _, name := range []string{"mail", "hangs", "proxy", "socket", "any"} {
		if f := p.probe("work", name, true); f.Total != 0 || f.Active != 0 || f.Failed != 0 {
			t.Errorf("probes count: %+v", f)
		}
	}
	if peers := append(banner.Peers(), hangs.Peers()...); len(peers) > 0 {
		t.Errorf("probes reached the target: %s", peers)
	}
	const clients, turns = 4, 25
	before := p.probe("work", "mail", true).Probe.At
	var work sync.WaitGroup
	for range clients {
		work.Go(func() {
			for range turns {
				if err := greet(addrs[0], welcome); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	f := p.probe("work", "mail", true)
	if f.Total != clients*turns || f.Failed != 0 || !f.Probe.At.After(before) {
		t.Errorf("forward %+v, probe %+v", f, f.Probe)
	}
	mark := p.mark()
	d.KillConnections()
	p.forward(mark, "work", "mail", "listening")
	p.probe("work", "mail", true)
	if strings.Contains(p.log(), "probe failed") {
		t.Error("the loss of the link counts as a failed probe")
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
}

// greet waits for the welcome of a server that speaks first, and speaks then.
func greet(addr, welcome string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	got := make([]byte, len(welcome))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != welcome {
		return fmt.Errorf("welcomed with %q, %v", got, err)
	}
	return tryPing(c, "EHLO")
}

// A server that forbids the way back says so, and the forward itself works.
func TestProbeForbidden(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]string{"remote alone": "AllowTcpForwarding remote", "no such target": "PermitOpen 127.0.0.1:1"} {
		t.Run(name, func(t *testing.T) {
			d, echo := sshtest.StartSSHD(t, config), sshtest.Echo(t)
			remote := freeAddr(t)
			p := startDaemon(t, map[string]string{"work": server(d) + probed(remoteForward("hook", remote, echo.Addr))})
			e := p.probe("work", "hook", false).Probe.Error
			if e.Code != fault.ProbeFailed || !strings.Contains(e.Message, "does not allow connections to its own "+remote) || !strings.Contains(e.Hint, "AllowTcpForwarding yes") {
				t.Errorf("error %+v", e)
			}
			ping(t, dialTCP(t, remote), "hello")
		})
	}
}

// A probe neither brings up a link on demand nor keeps it up.
func TestProbeOnDemand(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	local := freeAddr(t)
	p := startDaemon(t, map[string]string{"work": onDemand(server(d) + probed(localForward("db", local, echo.Addr)) +
		probed(remoteForward("hook", freeAddr(t), echo.Addr)))})
	p.forward(0, "work", "db", "listening")
	for range 2 {
		c := dialTCP(t, local)
		ping(t, c, "hello")
		p.probe("work", "db", true)
		p.probe("work", "hook", true)
		mark := p.mark()
		c.Close()
		p.link(mark, "work", "idle")
	}
	if strings.Contains(p.log(), "probe failed") {
		t.Error("an idle link counts as a failed probe")
	}
}
