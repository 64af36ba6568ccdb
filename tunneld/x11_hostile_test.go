package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// says waits for a line that a program prints, and returns it.
func (p *process) says(mark int, prefix string) string {
	p.t.Helper()
	return p.await(mark, "a program says "+prefix, func(e control.Event) bool {
		return e.Kind == "app" && strings.HasPrefix(e.Detail, prefix)
	}).Detail
}

// Promise 6: the real cookie of the display never leaves this machine, and stands
// in nothing that tunneld writes.
func TestPromiseCookieStaysHere(t *testing.T) {
	t.Parallel()
	x, home := sshtest.StartXvfb(t), t.TempDir()
	d := sshtest.StartSSHD(t, "X11Forwarding yes", "LogLevel DEBUG3", "SetEnv HOME="+home)
	p := startDaemon(t, map[string]string{"work": server(d) + onDisplay(x) + appEntry("clock", "xclock -title clock") +
		appEntry("look", "echo display $DISPLAY; env | sed 's/^/env /' >"+filepath.Join(home, "env")+"; xauth list >"+filepath.Join(home, "list")+"; echo over")})
	p.link(0, "work", "up")
	for _, args := range [][]string{{"launch", "work/clock"}, {"launch", "-Y", "work/clock"}} {
		p.must(args...)
	}
	awaitWindows(t, x, "clock", 2)
	if out, err := p.commandOn(x, "display").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	mark := p.mark()
	p.must("launch", "work/look")
	p.says(mark, "over")
	everything := map[string]string{"the log": p.log(), "sshd's log": d.Log()}
	status, _, _ := p.ask("status", "--json")
	everything["status"] = status
	everything["events"], _, _ = p.ask("events", "--json")
	ps, err := exec.Command("ps", "-A", "-o", "args=", "e").Output()
	if err != nil {
		t.Fatal(err)
	}
	everything["ps"] = string(ps)
	for _, dir := range []string{home, p.dir} {
		readAll(t, dir, everything)
	}
	if list := everything[filepath.Join(home, "list")]; !strings.Contains(list, "MIT-MAGIC-COOKIE-1") {
		t.Errorf("the server's cookies: %q", list)
	}
	for what, text := range everything {
		if hasCookie(t, text, x.Cookie) {
			t.Errorf("the display's cookie is in %s", what)
		}
	}
}

// hasCookie looks for a cookie's digits and for its bytes.
func hasCookie(t *testing.T, text, cookie string) bool {
	t.Helper()
	return strings.Contains(strings.ToLower(text), cookie) || strings.Contains(text, hexBytes(t, cookie))
}

// readAll adds every file below a folder.
func readAll(t *testing.T, dir string, to map[string]string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			var text []byte
			text, err = os.ReadFile(path)
			to[path] = string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func hexBytes(t *testing.T, text string) string {
	t.Helper()
	var raw []byte
	if _, err := fmt.Sscanf(text, "%x", &raw); err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// Whoever reaches the display's port on the server without its cookie gets
// nowhere, however often, and those with a cookie go on.
func TestLiesAboutCookies(t *testing.T) {
	x, d := sshtest.StartXvfb(t), startX11SSHD(t)
	p := startDaemon(t, map[string]string{"work": server(d) + onDisplay(x) +
		appEntry("clock", showSession+"exec xclock -title clock")})
	p.link(0, "work", "up")
	p.must("launch", "work/clock")
	port := p.sessionOf(0, "clock").port(t)
	awaitWindows(t, x, "clock", 1)
	const lies = 200
	for i := range lies {
		c := dialTCP(t, port)
		if i%2 == 0 {
			io.WriteString(c, "l\x00\x0b\x00\x00\x00\x12\x00\x10\x00\x00\x00MIT-MAGIC-COOKIE-1\x00\x000123456789abcdef")
			if answer, _ := io.ReadAll(c); len(answer) < 8 || answer[0] != 0 {
				t.Fatalf("answered %q", answer)
			}
		} else {
			io.WriteString(c, "GET / HTTP/1.1\r\n\r\n")
			io.Copy(io.Discard, c)
		}
		c.Close()
	}
	p.observe("work", "the lies are counted", func(q control.Profile) bool {
		return q.X11.Refused == lies && q.X11.Refusals[fault.X11BadCookie] == lies && q.X11.Active == 1
	})
	if windowsOf(x, "clock") != 1 {
		t.Error("the window is gone")
	}
	if told := strings.Count(p.log(), "window refused"); told > 3 {
		t.Errorf("%d lines for the same lie", told)
	}
	p.must("launch", "work/clock")
	awaitWindows(t, x, "clock", 2)
}

// A server that does not forward X11 says only no: the code is one, and its hint
// names the causes.
func TestServersThatRefuseX11(t *testing.T) {
	x := sshtest.StartXvfb(t)
	for name, d := range map[string]*sshtest.SSHD{
		"X11Forwarding no": sshtest.StartSSHD(t, "X11Forwarding no"),
		"no xauth":         sshtest.StartSSHD(t, "X11Forwarding yes", "XAuthLocation /nonexistent/xauth"),
		"the key's option": restrictedKey(t, "no-X11-forwarding"),
	} {
		p := startDaemon(t, map[string]string{"work": server(d) + onDisplay(x) + appEntry("clock", "xclock")})
		p.link(0, "work", "up")
		_, text, status := p.ask("launch", "work/clock")
		if status != 1 || !strings.Contains(text, string(fault.X11ServerRefused)) || !strings.Contains(text, "X11Forwarding") || !strings.Contains(text, "xauth") {
			t.Errorf("%s: %d %s", name, status, text)
		}
		p.app("clock", "says why", func(a control.App) bool { return a.Error != nil && a.Error.Code == fault.X11ServerRefused })
	}
}

// restrictedKey is a server whose only key has an option.
func restrictedKey(t *testing.T, option string) *sshtest.SSHD {
	t.Helper()
	d := sshtest.StartSSHD(t, "X11Forwarding yes")
	key, err := os.ReadFile(d.AuthorizedKeys)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.AuthorizedKeys, append([]byte(option+" "), key...), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// After untrusted_timeout a program opens no new window, and keeps what it has.
func TestUntrustedTimeout(t *testing.T) {
	x, d := sshtest.StartXvfb(t), startX11SSHD(t)
	p := startDaemon(t, map[string]string{"work": server(d) + onDisplay(x) + "untrusted_timeout = '2s'\n" +
		appEntry("clock", "xclock -title clock & while sleep 0.2; do xdpyinfo >/dev/null || exit 3; done")})
	p.link(0, "work", "up")
	p.must("launch", "work/clock")
	awaitWindows(t, x, "clock", 1)
	if e := p.coded(0, "work", fault.X11Expired); e.App != "clock" || e.Kind != "x11" {
		t.Errorf("%+v", e)
	}
	p.observe("work", "refused is counted", func(q control.Profile) bool { return q.X11.Refusals[fault.X11Expired] > 0 })
	if windowsOf(x, "clock") != 1 {
		t.Error("the window that was open is gone")
	}
}

// A display that was started again, with another cookie, shows the next window.
func TestDisplayStartsAgain(t *testing.T) {
	x, d, dir := sshtest.StartXvfb(t), startX11SSHD(t), t.TempDir()
	again := func(command string) string { // until the test is over, whatever the server does with signals
		return fmt.Sprintf("while [ -e %s ]; do %s; sleep 0.1; done", dir, command)
	}
	p := startDaemon(t, map[string]string{"work": server(d) + onDisplay(x) +
		appEntry("eyes", again("xeyes -title eyes")) + appEntry("clock", again("xclock -title clock"), "trusted = true")})
	p.link(0, "work", "up")
	p.must("launch", "work/eyes")
	p.must("launch", "work/clock")
	awaitWindows(t, x, "eyes", 1)
	awaitWindows(t, x, "clock", 1)
	x.Stop()
	x.Start()
	awaitWindows(t, x, "eyes", 1)
	awaitWindows(t, x, "clock", 1)
}

// Twenty programs at once, on one connection.
func TestManyPrograms(t *testing.T) {
	t.Parallel()
	x, d := sshtest.StartXvfb(t), startX11SSHD(t)
	const programs = 20
	text := server(d) + onDisplay(x)
	for i := range programs {
		text += appEntry(fmt.Sprint("logo", i), "xlogo -title logo", `start = "always"`)
	}
	p := startDaemon(t, map[string]string{"work": text})
	awaitWindows(t, x, "logo", programs)
	p.observe("work", "all run", func(q control.Profile) bool {
		for _, a := range q.X11.Apps {
			if a.State != "running" {
				return false
			}
		}
		return q.X11.Active == programs && q.Sessions == programs
	})
	mark := p.mark()
	d.KillConnections()
	p.link(mark, "work", "up")
	p.observe("work", "all run again", func(q control.Profile) bool { return q.Sessions == programs })
	awaitWindows(t, x, "logo", programs)
	if d.Connections() != 1 {
		t.Errorf("%d connections", d.Connections())
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	awaitWindows(t, x, "logo", 0)
}

// How a program ended is kept: its status, what it said, that there is none such.
func TestHowProgramsEnd(t *testing.T) {
	t.Parallel()
	x, d := sshtest.StartXvfb(t), startX11SSHD(t)
	p := startDaemon(t, map[string]string{"work": server(d) + onDisplay(x) +
		appEntry("fails", `echo "to out"; echo "to err" >&2; exit 3`) + appEntry("none", "no-such-program") +
		appEntry("login", `shopt -q login_shell && echo "login shell: it's '$0'"`, "login_shell = true") +
		appEntry("again", "date +%s.%N; exit 1", `start = "always"`) + appEntry("once", "true", `start = "always"`)})
	p.link(0, "work", "up")
	for _, name := range []string{"fails", "none", "login"} {
		p.must("launch", "work/"+name)
	}
	p.says(0, "to out")
	p.says(0, "to err")
	p.app("fails", "status 3", func(a control.App) bool { return a.Exit == "status 3" && a.Error == nil && a.State == "stopped" })
	p.app("none", "127", func(a control.App) bool { return a.Exit == "status 127" && a.Error.Code == fault.CommandNotFound })
	p.says(0, "login shell: it's")
	p.app("once", "ended well", func(a control.App) bool { return a.Exit == "status 0" && a.State == "waiting" })
	var starts []float64
	sshtest.Eventually(t, patience, "three starts", func() bool {
		starts = nil
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, e := range p.events {
			if at, err := strconv.ParseFloat(e.Detail, 64); err == nil && e.App == "again" {
				starts = append(starts, at)
			}
		}
		return len(starts) >= 3
	})
	for i := range starts[1:] {
		if apart := starts[i+1] - starts[i]; apart < (900 * time.Millisecond).Seconds() {
			t.Errorf("started again after %.3f s", apart)
		}
	}
}
