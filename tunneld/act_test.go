package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"tunneld/control"
	"tunneld/internal/sshtest"
)

// down lasts until up, status says who did it, an edit does not undo it, and
// the siblings go on.
func TestUpDownRestart(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	one, two, other := freeAddr(t), freeAddr(t), freeAddr(t)
	text := server(d) + localForward("one", one, echo.Addr) + localForward("two", two, echo.Addr)
	p := startDaemon(t, map[string]string{"lab-a": text, "lab-b": server(d) + localForward("one", other, echo.Addr)})
	p.await(0, "the API", func(e control.Event) bool { return e.Kind == "api" })
	out, errs, status := p.tunneld("", "status", "--wait", "20s")
	wants(t, "status --wait", out, errs, status, 0, "listening")
	open, sibling := dialTCP(t, one), dialTCP(t, other)
	ping(t, open, "one")
	ping(t, sibling, "one")

	out, errs, status = p.tunneld("", "down", "lab-a/two")
	wants(t, "down of a forward", out, errs, status, 0)
	refused(t, two, "a stopped forward")
	ping(t, open, "its sibling")
	mark := p.mark()
	p.reload("lab-a", "description = \"edited\"\n"+text+"hold = \"1s\"\n")
	p.changed(mark, "lab-a", "two", "start_forward")
	refused(t, two, "a stopped forward after an edit")
	out, errs, status = p.tunneld("", "up", "lab-a/two", "--wait", "20s")
	wants(t, "up of a forward", out, errs, status, 0)
	ping(t, dialTCP(t, two), "two")

	out, errs, status = p.tunneld("", "down", "lab-a")
	wants(t, "down", out, errs, status, 0)
	out, errs, status = p.tunneld("", "status", "lab-a", "--json")
	wants(t, "status of what is down", out, errs, status, 0, `"state": "down"`, `"stopped_by": "user"`)
	mark = p.mark()
	p.reload("lab-a", text)
	p.changed(mark, "lab-a", "", "update")
	refused(t, one, "a stopped profile after an edit")
	if err := tryPing(open, "gone?"); err == nil {
		t.Error("the connection of a stopped profile lives")
	}
	ping(t, sibling, "untouched")
	out, errs, status = p.tunneld("", "up", "lab-*", "--wait", "20s")
	wants(t, "up of a pattern", out, errs, status, 0)
	ping(t, dialTCP(t, one), "again")
	ping(t, sibling, "still untouched")

	mark = p.mark()
	out, errs, status = p.tunneld("", "restart", "lab-a")
	wants(t, "restart", out, errs, status, 0)
	p.link(mark, "lab-a", "up")

	out, errs, status = p.tunneld("", "down", "lab-b")
	wants(t, "down before a restart of the daemon", out, errs, status, 0)
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	mark = p.mark()
	p.start()
	p.link(mark, "lab-b", "up")

	for _, args := range [][]string{{"up", "nothing"}, {"down", "lab-a/nothing"}, {"restart", "x*"}} {
		out, errs, status = p.tunneld("", args...)
		wants(t, args[0]+" of nothing", out, errs, status, 1, "nothing is called", "hint: ")
	}
	out, errs, status = p.tunneld("", "down")
	wants(t, "down without a name", out, errs, status, 2, "hint: ")
}

// refused fails the test if something listens.
func refused(t *testing.T, addr, what string) {
	t.Helper()
	if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		c.Close()
		t.Errorf("%s listens", what)
	}
}

// up ends a wait for the next attempt, that of one forward too, and says so when
// it is not up in time.
func TestUpEndsBackoff(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	relay := sshtest.NewRelay(t, d.Addr)
	relay.Refuse(true)
	text := strings.Replace(serverAt(d, relay.Addr), `reconnect_min = "50ms", reconnect_max = "300ms"`, `reconnect_min = "1h", reconnect_max = "2h"`, 1) + remoteForward("hook", "127.0.0.1:0", echo.Addr)
	p := startDaemon(t, map[string]string{"work": text})
	p.link(0, "work", "waiting")
	out, errs, status := p.tunneld("", "up", "work", "--wait", "300ms")
	wants(t, "up of what cannot come", out, errs, status, 3, "not up after", "hint: ")
	relay.Refuse(false)
	out, errs, status = p.tunneld("", "up", "work", "--wait", "20s")
	wants(t, "up", out, errs, status, 0)

	mark := p.mark()
	relay.Refuse(true)
	relay.Cut()
	p.link(mark, "work", "waiting")
	relay.Refuse(false)
	out, errs, status = p.tunneld("", "up", "work/hook", "--wait", "20s")
	wants(t, "up of a forward", out, errs, status, 0)
}
