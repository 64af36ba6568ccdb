package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// changed waits until the daemon has applied a change.
func (p *process) changed(mark int, profile, forward, verb string) {
	p.t.Helper()
	p.await(mark, verb+" "+profile+"/"+forward, func(e control.Event) bool {
		return e.Message == "profile changed" && e.Profile == profile && e.Forward == forward && e.Detail == control.Change{Verb: verb}.Words()
	})
}

// Promise 5: an open connection is cut only when the network, the peer or the
// user cut it, never because another forward was edited. One forward is
// edited, one removed, one added: the untouched one's connection lives, on the
// same link.
func TestPromiseEditCutsNothingElse(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	keep, edit, remove, add, moved := freeAddr(t), freeAddr(t), freeAddr(t), freeAddr(t), freeAddr(t)
	head := server(d) + localForward("keep", keep, echo.Addr)
	p := startDaemon(t, map[string]string{"work": head + localForward("edit", edit, echo.Addr) + localForward("remove", remove, echo.Addr)})
	for _, name := range []string{"keep", "edit", "remove"} {
		p.forward(0, "work", name, "listening")
	}
	open, edited, removed := dialTCP(t, keep), dialTCP(t, edit), dialTCP(t, remove)
	for _, c := range []net.Conn{open, edited, removed} {
		ping(t, c, "before")
	}
	mark := p.mark()
	p.reload("work", head+localForward("edit", moved, echo.Addr)+localForward("add", add, echo.Addr))
	p.forward(mark, "work", "edit", "listening")
	p.forward(mark, "work", "add", "listening")
	ping(t, open, "the untouched connection")
	ping(t, dialTCP(t, moved), "edited")
	ping(t, dialTCP(t, add), "added")
	for name, c := range map[string]net.Conn{"edited": edited, "removed": removed} {
		if err := tryPing(c, "gone?"); err == nil {
			t.Errorf("the connection of the %s forward lives", name)
		}
	}
	for _, addr := range []string{edit, remove} {
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			c.Close()
			t.Errorf("%s still listens", addr)
		}
	}
	if n := strings.Count(d.Log(), "Accepted publickey"); n != 1 {
		t.Errorf("%d logins, want one", n)
	}
}

// A change of the description or of the link's times touches nothing; one of the
// server's settings reconnects that profile alone, and its local port stays bound.
func TestEditReachesOnlyWhatItNames(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	local, other := freeAddr(t), freeAddr(t)
	text := server(d) + localForward("db", local, echo.Addr)
	p := startDaemon(t, map[string]string{"work": text, "other": server(d) + localForward("db", other, echo.Addr)})
	p.forward(0, "work", "db", "listening")
	p.forward(0, "other", "db", "listening")
	open, stranger := dialTCP(t, local), dialTCP(t, other)
	ping(t, open, "one")
	ping(t, stranger, "one")
	mark := p.mark()
	p.reload("work", "description = \"new\"\n"+text)
	p.changed(mark, "work", "", "update")
	ping(t, open, "two")
	mark = p.mark()
	p.reload("work", strings.Replace(text, `keepalive = "500ms"`, `keepalive = "700ms"`, 1))
	p.changed(mark, "work", "", "update")
	ping(t, open, "two and a half")
	mark = p.mark()
	p.reload("work", strings.Replace(text, `link = {`, `link = { ciphers = ["aes128-ctr"],`, 1))
	p.link(mark, "work", "up")
	if err := tryPing(open, "three"); err == nil {
		t.Error("the old connection lives")
	}
	ping(t, dialTCP(t, local), "three")
	ping(t, stranger, "three")
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events[mark:] {
		if e.Kind == "forward" {
			t.Errorf("a forward was touched: %+v", e)
		}
	}
}

// Promise 2: a bad edit keeps the last good version, now and at the next start.
func TestPromiseLastGoodVersionStays(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	local := freeAddr(t)
	text := server(d) + localForward("db", local, echo.Addr)
	p := startDaemon(t, map[string]string{"work": text})
	p.forward(0, "work", "db", "listening")
	open := dialTCP(t, local)
	ping(t, open, "before")
	mark := p.mark()
	p.reload("work", text+"tagret = 1\n")
	e := p.coded(mark, "work", fault.BadProfile)
	if !strings.Contains(e.Detail, "profiles/work.toml:") || !strings.HasPrefix(e.Hint, "did you mean") || strings.Contains(e.Detail, e.Hint) {
		t.Errorf("event %+v", e)
	}
	p.await(mark, "the last good version", func(e control.Event) bool { return e.Message == "the last good version stays in force" })
	ping(t, open, "the last good version runs on")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	p.events = nil
	p.start()
	p.coded(0, "work", fault.BadProfile)
	p.forward(0, "work", "db", "listening")
	ping(t, dialTCP(t, local), "after a restart")
	mark = p.mark()
	p.reload("work", text+"hold = \"1s\"\n")
	p.changed(mark, "work", "db", "start_forward")
	p.forward(mark, "work", "db", "listening")
	ping(t, dialTCP(t, local), "mended")
}

// A removed file stops its profile, a disabled one too, and a renamed one
// starts under its new name on the same port.
func TestRemoveDisableRename(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	local := freeAddr(t)
	text := server(d) + localForward("db", local, echo.Addr)
	p := startDaemon(t, map[string]string{"work": text})
	p.forward(0, "work", "db", "listening")
	mark := p.mark()
	if err := os.Rename(filepath.Join(p.dir, "profiles/work.toml"), filepath.Join(p.dir, "profiles/play.toml")); err != nil {
		t.Fatal(err)
	}
	p.reload("play", text)
	p.forward(mark, "play", "db", "listening")
	ping(t, dialTCP(t, local), "renamed")
	mark = p.mark()
	p.reload("play", "enabled = false\n"+text)
	p.changed(mark, "play", "", "stop")
	if c, err := net.DialTimeout("tcp", local, time.Second); err == nil {
		c.Close()
		t.Error("a disabled profile listens")
	}
	mark = p.mark()
	p.reload("play", text)
	p.forward(mark, "play", "db", "listening")
	mark = p.mark()
	p.reload("play", "")
	p.changed(mark, "play", "", "stop")
	sshtest.Eventually(t, patience, "the link's end", func() bool { return d.Connections() == 0 })
}

// Of eight who edit at once each is told what its edit changed, though the daemon
// has read most of them when they ask it to.
func TestEachEditTellsWhatItChanged(t *testing.T) {
	t.Parallel()
	d, addrs := sshtest.StartSSHD(t), freeAddrs(t, 8)
	p := startDaemon(t, map[string]string{"work": server(d)})
	p.link(0, "work", "up")
	var all sync.WaitGroup
	for n, addr := range addrs {
		all.Go(func() {
			name := fmt.Sprint("edit", n)
			out, errs, status := p.tunneld("", "add", "work", "local", addr, d.Addr, "--name", name)
			wants(t, "add "+name, out, errs, status, 0, "work/"+name+": start forward\n")
		})
	}
	all.Wait()
}
