package main

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// A display that Debian's desktops open to its own person refuses to restrict
// programs until the line of the hint was run, as it stands.
func TestXhostIsMended(t *testing.T) {
	t.Parallel()
	x, d := sshtest.StartXvfb(t), startX11SSHD(t)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	x.Run("xhost", "+si:localuser:"+me.Username)
	p := startDaemon(t, map[string]string{"work": server(d) + onDisplay(x) + appEntry("clock", "xclock -title clock")})
	p.link(0, "work", "up")
	_, text, status := p.ask("launch", "work/clock")
	if status != 1 || !strings.Contains(text, string(fault.X11SecurityOpen)) || !strings.Contains(text, "-Y once, set x11.trusted = true, or run ") {
		t.Fatalf("%d %s", status, text)
	}
	p.must("launch", "-Y", "work/clock")
	awaitWindows(t, x, "clock", 1)
	_, line, _ := strings.Cut(text, "or run ")
	if want := fmt.Sprintf("DISPLAY=%s xhost -si:localuser:%s\n", x.Display, me.Username); line != want {
		t.Fatalf("the hint says %q, want %q", line, want)
	}
	x.Run("sh", "-c", line)
	p.must("launch", "work/clock")
	awaitWindows(t, x, "clock", 2)
}

// A service begins with an empty environment. The display that comes later is
// that of a person, who starts their programs and those that were waiting.
func TestServiceWithoutEnvironment(t *testing.T) {
	t.Parallel()
	x, d := sshtest.StartXvfb(t), startX11SSHD(t)
	p := prepareDaemon(t, map[string]string{"work": server(d) + appEntry("eyes", "xeyes -title eyes", `start = "always"`) +
		appEntry("clock", "xclock -title clock")})
	cmd := p.program("run")
	cmd.Env = []string{raceOptions}
	p.startAs(cmd)
	p.coded(0, "work", fault.X11NoDisplay)
	if _, text, status := p.ask("launch", "work/clock"); status != 1 || !strings.Contains(text, string(fault.X11NoDisplay)) {
		t.Errorf("%d %s", status, text)
	}
	if out, err := p.commandOn(x, "display").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	awaitWindows(t, x, "eyes", 1)
	p.must("launch", "work/clock")
	awaitWindows(t, x, "clock", 1)
}

// A daemon of a desktop session shows windows on that session's display, with
// the cookie that is in the account's own file at the time.
func TestDaemonsOwnDisplay(t *testing.T) {
	t.Parallel()
	x, d, home := sshtest.StartXvfb(t), startX11SSHD(t), t.TempDir()
	p := prepareDaemon(t, map[string]string{"work": server(d) + appEntry("clock", "xclock -title clock")})
	cmd := p.program("run")
	cmd.Env = append(environment(), "HOME="+home, "DISPLAY="+x.Display, "XAUTHORITY=")
	p.startAs(cmd)
	p.link(0, "work", "up")
	if _, text, status := p.ask("launch", "work/clock"); status != 1 || !strings.Contains(text, string(fault.X11DisplayRefused)) {
		t.Errorf("without a cookie: %d %s", status, text)
	}
	for n := range 2 {
		cookies, err := os.ReadFile(x.Authority)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, ".Xauthority"), cookies, 0o600); err != nil {
			t.Fatal(err)
		}
		p.must("launch", "work/clock")
		awaitWindows(t, x, "clock", 1)
		p.observe("work", "environment", func(q control.Profile) bool { return q.X11.From == "environment" && q.X11.Display == x.Display })
		if n == 0 {
			x.Stop()
			x.Start() // with another cookie
		}
	}
}

// Two profiles with a display each, at the same server at the same time: every
// window is where it belongs, and the cookie of the one opens nothing of the
// other.
func TestProfilesNeverMix(t *testing.T) {
	t.Parallel()
	const many = 10
	d := startX11SSHD(t)
	xs, texts := map[string]*sshtest.Xvfb{}, map[string]string{}
	for _, name := range []string{"ana", "bob"} {
		xs[name] = sshtest.StartXvfb(t)
		texts[name] = server(d) + onDisplay(xs[name]) +
			appEntry("logos", fmt.Sprintf("for i in $(seq %d); do xlogo -title %s & done; wait", many, name), `start = "always"`)
	}
	texts["ana"] += appEntry("clock", showSession+"exec xclock -title clock")
	p := startDaemon(t, texts)
	p.link(0, "ana", "up")
	p.link(0, "bob", "up")
	p.must("launch", "ana/clock")
	at := p.sessionOf(0, "clock")
	awaitWindows(t, xs["ana"], "clock", 1)
	for name, x := range xs {
		awaitWindows(t, x, name, many)
	}
	if windowsOf(xs["ana"], "bob")+windowsOf(xs["bob"], "ana")+windowsOf(xs["bob"], "clock") != 0 {
		t.Error("the windows mixed")
	}
	thief := appEntry("thief", showSession+fmt.Sprintf("export XAUTHORITY=%s/thief; xauth -q add $DISPLAY . %s; xdpyinfo 2>&1; exit 5", t.TempDir(), at.cookie))
	p.reload("bob", texts["bob"]+thief)
	sshtest.Eventually(t, patience, "bob has a thief", func() bool { _, _, status := p.ask("launch", "bob/thief"); return status == 0 })
	p.observe("bob", "the other's cookie is refused", func(q control.Profile) bool { return q.X11.Refusals[fault.X11BadCookie] == 1 })
	for name, x := range xs {
		if n := windowsOf(x, name); n != many {
			t.Errorf("%d windows of %s", n, name)
		}
	}
}

// An edited program starts anew, alone: the windows of the others stay, and so
// does the connection.
func TestEditedProgram(t *testing.T) {
	t.Parallel()
	x, d := sshtest.StartXvfb(t), startX11SSHD(t)
	with := func(title string) string {
		return server(d) + onDisplay(x) + appEntry("edited", "xclock -title "+title, `start = "always"`) +
			appEntry("kept", "xeyes -title kept", `start = "always"`) + appEntry("launched", "xlogo -title launched")
	}
	p := startDaemon(t, map[string]string{"work": with("before")})
	p.link(0, "work", "up")
	p.must("launch", "work/launched")
	for _, title := range []string{"before", "kept", "launched"} {
		awaitWindows(t, x, title, 1)
	}
	others := fmt.Sprint(windowIDs(x, "kept"), windowIDs(x, "launched"))
	mark := p.mark()
	p.reload("work", with("after"))
	awaitWindows(t, x, "after", 1)
	awaitWindows(t, x, "before", 0)
	if now := fmt.Sprint(windowIDs(x, "kept"), windowIDs(x, "launched")); now != others {
		t.Errorf("windows %s, were %s", now, others)
	}
	p.reload("work", server(d)+onDisplay(x)+appEntry("kept", "xeyes -title kept", `start = "always"`))
	awaitWindows(t, x, "after", 0)
	awaitWindows(t, x, "launched", 0)
	if !strings.HasPrefix(others, fmt.Sprint(windowIDs(x, "kept"))) {
		t.Error("the program that nobody edited started again")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events[mark:] {
		if e.Kind == "link" {
			t.Errorf("the link: %+v", e)
		}
	}
}
