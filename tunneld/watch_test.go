package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// replace saves a profile as most editors do: a new file takes the old one's
// place.
func (p *process) replace(name, text string) {
	p.t.Helper()
	p.write("profiles/."+name+".new", text)
	dir := filepath.Join(p.dir, "profiles")
	if err := os.Rename(filepath.Join(dir, "."+name+".new"), filepath.Join(dir, name+".toml")); err != nil {
		p.t.Fatal(err)
	}
}

// isDeaf reports whether nobody listens at addr.
func isDeaf(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err == nil {
		c.Close()
	}
	return err != nil
}

// A saved file is followed at once and by itself, and cuts nothing else.
func TestSavedFilesAreFollowed(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	addrs := freeAddrs(t, 4)
	head := server(d) + localForward("keep", addrs[0], echo.Addr)
	p := startDaemon(t, map[string]string{"work": head + localForward("edit", addrs[1], echo.Addr)})
	p.forward(0, "work", "keep", "listening")
	open := dialTCP(t, addrs[0])
	ping(t, open, "before")
	for n, save := range []func(name, text string){p.profile, p.replace, p.profile, p.replace} {
		mark, addr := p.mark(), addrs[2+n%2]
		save("work", head+localForward("edit", addr, echo.Addr))
		p.forward(mark, "work", "edit", "listening")
		ping(t, dialTCP(t, addr), "edited")
		ping(t, open, "the untouched connection")
	}
	mark := p.mark()
	p.profile("play", server(d)+localForward("db", addrs[1], echo.Addr))
	p.forward(mark, "play", "db", "listening")
	if err := os.Remove(filepath.Join(p.dir, "profiles/play.toml")); err != nil {
		t.Fatal(err)
	}
	p.changed(mark, "play", "", "stop")
	ping(t, open, "the untouched connection")
}

// Fifty saves a second for ten seconds, bad ones among them and each in another
// way, end in the state of the last one, and cut nothing else.
func TestManySavesEndInTheLast(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	addrs := freeAddrs(t, 5)
	head := server(d) + localForward("keep", addrs[0], echo.Addr)
	with := func(addr string) string { return head + localForward("edit", addr, echo.Addr) }
	p := startDaemon(t, map[string]string{"work": with(addrs[1])})
	p.forward(0, "work", "keep", "listening")
	open := dialTCP(t, addrs[0])
	tick := time.NewTicker(time.Second / 50)
	defer tick.Stop()
	for n := range 500 {
		save, text := p.profile, with(addrs[1+n%3])
		if n%2 == 0 {
			save = p.replace
		}
		if n%5 == 0 {
			text += "tagret = 1\n"
		}
		save("work", text)
		ping(t, open, fmt.Sprint("save ", n))
		<-tick.C
	}
	p.profile("work", with(addrs[4]))
	sshtest.Eventually(t, patience, "the last save", func() bool { return !isDeaf(addrs[4]) })
	q := p.observe("work", "current", func(q control.Profile) bool { return q.RunningVersion == "current" && isServing(q) })
	if ping(t, open, "through all of it"); q.Reconnects != 0 {
		t.Errorf("%+v", q)
	}
}

// A bad save keeps the last good version, is told once, and the next good save
// mends it.
func TestBadSaveIsMended(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	local := freeAddr(t)
	text := server(d) + localForward("db", local, echo.Addr)
	p := startDaemon(t, map[string]string{"work": text})
	p.forward(0, "work", "db", "listening")
	open := dialTCP(t, local)
	ping(t, open, "before")
	mark := p.mark()
	p.replace("work", text+"tagret = 1\n")
	p.coded(mark, "work", fault.BadProfile)
	p.observe("work", "last good", func(q control.Profile) bool { return q.RunningVersion == "last_good" })
	if s, err := p.client().Status(t.Context()); err != nil || len(s.Problems) != 1 || s.Problems[0].File != "profiles/work.toml" {
		t.Errorf("problems %+v, %v", s.Problems, err)
	}
	p.profile("other", server(d))
	p.changed(mark, "other", "", "start")
	p.replace("work", text)
	p.observe("work", "current", func(q control.Profile) bool { return q.RunningVersion == "current" })
	p.await(mark, "in force again", func(e control.Event) bool {
		return e.Profile == "work" && e.Message == "the file is in force again"
	})
	ping(t, open, "through all of it")
	if s, err := p.client().Status(t.Context()); err != nil || len(s.Problems) != 0 {
		t.Errorf("problems %+v, %v", s.Problems, err)
	}
	if n := strings.Count(p.log(), "problem in a profile"); n != 1 {
		t.Errorf("the problem was told %d times", n)
	}
}

// With watch = false only a reload takes what is saved; daemon.toml itself is
// watched like a profile, and may turn the watch on and off.
func TestWatchIsTurnedOnAndOff(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	one, two := freeAddr(t), freeAddr(t)
	with := func(addr string) string { return server(d) + localForward("db", addr, echo.Addr) }
	p := &process{t: t, dir: t.TempDir()}
	p.write("daemon.toml", daemonTOML+"watch = false\n")
	p.profile("work", with(one))
	p.start()
	p.forward(0, "work", "db", "listening")
	p.profile("work", with(two))
	time.Sleep(time.Second) // ten times what a watch needs
	if ping(t, dialTCP(t, one), "as before"); !isDeaf(two) {
		t.Error("the edit was taken")
	}
	mark := p.mark()
	if stdout, stderr, status := command(t, "reload", "--config", p.dir); status != 0 || !strings.Contains(stdout, "work/db: start forward") {
		t.Errorf("status %d\n%s%s", status, stdout, stderr)
	}
	p.forward(mark, "work", "db", "listening")
	ping(t, dialTCP(t, two), "reloaded")

	p.write("daemon.toml", daemonTOML+"watch = true\n")
	if _, stderr, status := command(t, "reload", "--config", p.dir); status != 0 {
		t.Errorf("status %d\n%s", status, stderr)
	}
	mark = p.mark()
	p.profile("work", with(one))
	p.forward(mark, "work", "db", "listening")
	p.write("daemon.toml", strings.Replace(daemonTOML, "json", "text", 1)+"[defaults.link]\nrefused_retry = '1h'\n")
	sshtest.Eventually(t, patience, "a line of text", func() bool {
		return strings.Contains(p.log(), `level=INFO message="profile changed" kind=profile profile=work detail=update`)
	})
	mark = p.mark()
	p.write("daemon.toml", daemonTOML+"watch = false\n")
	p.changed(mark, "work", "", "update")
	p.profile("work", with(two))
	time.Sleep(time.Second)
	if ping(t, dialTCP(t, one), "as before"); !isDeaf(two) {
		t.Error("the edit was taken")
	}
}

// The daemon goes back to what ran before, unless somebody keeps the changes.
// The files stay as they are.
func TestUndoAfter(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	for _, watch := range []bool{true, false} {
		t.Run(fmt.Sprintf("watch=%v", watch), func(t *testing.T) {
			one, two := freeAddr(t), freeAddr(t)
			head := server(d) + localForward("keep", freeAddr(t), echo.Addr)
			edited := head + localForward("db", two, echo.Addr)
			p := &process{t: t, dir: t.TempDir()}
			p.write("daemon.toml", fmt.Sprintf("%swatch = %v\n", daemonTOML, watch))
			p.profile("work", head+localForward("db", one, echo.Addr))
			p.start()
			p.forward(0, "work", "db", "listening")
			mark := p.mark()
			p.replace("work", edited)
			if watch { // then the edit runs before the reload comes
				p.forward(mark, "work", "db", "listening")
			}
			reload := func(want string, args ...string) {
				t.Helper()
				stdout, stderr, status := command(t, append([]string{"reload", "--config", p.dir}, args...)...)
				if status != 0 || !strings.Contains(stdout, want) {
					t.Errorf("reload %v: status %d\n%s%s", args, status, stdout, stderr)
				}
			}
			reload("work/db: start forward\nundone at ", "--undo-after", "4s")
			ping(t, dialTCP(t, two), "on trial")
			mark = p.mark()
			p.await(mark, "undone", func(e control.Event) bool { return e.Message == "undone" })
			p.forward(mark, "work", "db", "listening")
			q := p.observe("work", "back", func(q control.Profile) bool { return q.RunningVersion == "last_good" && isServing(q) })
			if ping(t, dialTCP(t, one), "as before"); !isDeaf(two) || q.Reconnects != 0 {
				t.Errorf("after the undoing: %+v", q)
			}
			if text, err := os.ReadFile(filepath.Join(p.dir, "profiles/work.toml")); err != nil || string(text) != edited {
				t.Errorf("the file was touched: %v\n%s", err, text)
			}
			if s, err := p.client().Status(t.Context()); err != nil || len(s.Problems) != 1 || !strings.HasPrefix(s.Problems[0].Message, "undone: ") {
				t.Errorf("problems %+v, %v", s.Problems, err)
			}
			reload("work/db: start forward\n", "--keep")
			ping(t, dialTCP(t, two), "kept")

			mark = p.mark()
			p.replace("work", head+localForward("db", one, echo.Addr))
			reload("undone at ", "--undo-after", "2s")
			reload("nothing changed\n", "--keep")
			p.await(mark, "kept", func(e control.Event) bool { return e.Message == "kept" })
			time.Sleep(3 * time.Second) // past the time of the trial
			ping(t, dialTCP(t, one), "kept")
		})
	}
}

// A daemon that dies or restarts before the changes are kept goes back, too, and
// stays there; what is kept then, stays.
func TestUndoOfDaemonThatEnds(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	one, two := freeAddr(t), freeAddr(t)
	with := func(addr string) string { return server(d) + localForward("db", addr, echo.Addr) }
	p := startDaemon(t, map[string]string{"work": with(one)})
	p.forward(0, "work", "db", "listening")
	reload := func(args ...string) {
		t.Helper()
		if stdout, stderr, status := command(t, append([]string{"reload", "--config", p.dir}, args...)...); status != 0 {
			t.Errorf("reload %v: status %d\n%s%s", args, status, stdout, stderr)
		}
	}
	p.replace("work", with(two))
	reload("--undo-after", "1h")
	ping(t, dialTCP(t, two), "on trial")
	for _, signal := range []os.Signal{os.Kill, syscall.SIGTERM} {
		if err := p.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		<-p.exited
		p.events = nil
		p.start()
		p.observe("work", "back", func(q control.Profile) bool { return q.RunningVersion == "last_good" && isServing(q) })
		if ping(t, dialTCP(t, one), "as before"); !isDeaf(two) {
			t.Error("what nobody kept runs")
		}
	}
	reload("--keep")
	p.observe("work", "the file", func(q control.Profile) bool { return q.RunningVersion == "current" && isServing(q) })
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	p.start()
	p.observe("work", "the file", func(q control.Profile) bool { return q.RunningVersion == "current" && isServing(q) })
	ping(t, dialTCP(t, two), "kept")
}

// A folder that is gone stops nothing, and says so; what comes back is taken.
func TestLostFolderStopsNothing(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	one, two := freeAddr(t), freeAddr(t)
	p := startDaemon(t, map[string]string{"work": server(d) + localForward("db", one, echo.Addr)})
	p.forward(0, "work", "db", "listening")
	open := dialTCP(t, one)
	ping(t, open, "before")
	folder := filepath.Join(p.dir, "profiles")
	if err := os.Rename(folder, folder+".away"); err != nil {
		t.Fatal(err)
	}
	p.await(0, "the loss", func(e control.Event) bool { return strings.Contains(e.Detail, "the folder is missing") })
	ping(t, open, "without the folder")
	if err := os.Rename(folder+".away", folder); err != nil {
		t.Fatal(err)
	}
	p.observe("work", "current", func(q control.Profile) bool { return q.RunningVersion == "current" })
	mark := p.mark()
	p.profile("work", server(d)+localForward("db", two, echo.Addr))
	p.forward(mark, "work", "db", "listening")
	ping(t, dialTCP(t, two), "edited after that")
}
