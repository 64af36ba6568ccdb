//go:build !windows

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// remoteDesk is a daemon whose profile has a display at the server, and the
// account there.
type remoteDesk struct {
	*process
	x      *sshtest.Xvfb
	d      *sshtest.SSHD
	home   string // of the account
	number int
}

// newRemoteDesk prepares the daemon. more goes into [x11].
func newRemoteDesk(t *testing.T, more string, sshd ...string) *remoteDesk {
	t.Helper()
	k := &remoteDesk{x: sshtest.StartXvfb(t), home: t.TempDir(), number: freeDisplay(t)}
	k.d = sshtest.StartSSHD(t, append(sshd, "SetEnv HOME="+k.home)...)
	k.process = prepareDaemon(t, map[string]string{"work": k.text(more)})
	return k
}

// text is the profile with the display.
func (k *remoteDesk) text(more string) string {
	return server(k.d) + onDisplay(k.x) + fmt.Sprintf("remote_display = %d\n", k.number) + more
}

// freeDisplay returns the number of a display whose port is free.
func freeDisplay(t *testing.T) int {
	t.Helper()
	_, port, _ := net.SplitHostPort(freeAddr(t))
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n - 6000
}

func (k *remoteDesk) port() string { return fmt.Sprintf("127.0.0.1:%d", 6000+k.number) }

// remote waits until the display at the server is as it should be.
func (k *remoteDesk) remote(what string, fits func(control.RemoteDisplay) bool) control.RemoteDisplay {
	k.t.Helper()
	p := k.observe("work", "display at the server "+what, func(q control.Profile) bool {
		return q.X11.Remote != nil && fits(*q.X11.Remote)
	})
	return *p.X11.Remote
}

func (k *remoteDesk) ready() {
	k.t.Helper()
	k.remote("ready", func(d control.RemoteDisplay) bool { return d.State == "ready" && d.Error == nil })
}

// entries are what the account's authority file has, as xauth lists it.
func (k *remoteDesk) entries() string {
	k.t.Helper()
	out, err := exec.Command("xauth", "-q", "-n", "-f", filepath.Join(k.home, ".Xauthority"), "list").Output()
	if err != nil {
		k.t.Fatal(err)
	}
	return string(out)
}

// there is a program of the account that outlives connections.
func (k *remoteDesk) there(display, name string, args ...string) *exec.Cmd {
	return sshtest.XCommand(display, filepath.Join(k.home, ".Xauthority"), name, args...)
}

// A shell in tmux at the server has a display that works again after the
// connection was lost, under the same name.
func TestRemoteDisplaySurvives(t *testing.T) {
	t.Parallel()
	k := newRemoteDesk(t, "", "X11Forwarding no")
	k.start()
	k.ready()
	for _, form := range []string{"localhost:%d", "127.0.0.1:%d.0"} {
		out, err := k.there(fmt.Sprintf(form, k.number), "xdpyinfo", "-queryExtensions").CombinedOutput()
		var extensions int
		_, after, _ := strings.Cut(string(out), "number of extensions:")
		fmt.Sscan(after, &extensions)
		if err != nil || extensions == 0 || extensions > 10 {
			t.Errorf("%s: %v, %d extensions\n%s", form, err, extensions, out)
		}
	}
	s := newPane(t, 80, 24, "HOME="+k.home, "XAUTHORITY="+filepath.Join(k.home, ".Xauthority"), fmt.Sprintf("DISPLAY=localhost:%d", k.number))
	s.types("xterm -title first &", "Enter")
	awaitWindows(t, k.x, "first", 1)
	k.remote("counts its window", func(d control.RemoteDisplay) bool { return d.Active == 1 })
	for n := range 2 {
		mark := k.mark()
		k.d.KillConnections()
		awaitWindows(t, k.x, "first", 0)
		awaitWindows(t, k.x, fmt.Sprint("again", n), 0)
		k.await(mark, "the display is back", func(e control.Event) bool { return e.Message == "remote display ready" })
		s.types(fmt.Sprintf("xterm -title again%d &", n+1), "Enter")
		awaitWindows(t, k.x, fmt.Sprint("again", n+1), 1)
	}
	table, _, _ := k.ask("status", "work")
	if want := fmt.Sprintf("localhost:%d at the server", k.number); !strings.Contains(table, want) {
		t.Errorf("no %q in\n%s", want, table)
	}
}

// What was put on the server is taken back on every way out.
func TestRemoteDisplayIsTakenBack(t *testing.T) {
	t.Parallel()
	k := newRemoteDesk(t, "")
	k.start()
	gone := func(why string) {
		t.Helper()
		if left := k.entries(); left != "" {
			t.Errorf("%s leaves %s", why, left)
		}
		if c, err := net.Dial("tcp", k.port()); err == nil {
			c.Close()
			t.Errorf("%s leaves the port", why)
		}
	}
	k.ready()
	k.must("down", "work")
	gone("down")
	k.must("up", "work")
	k.ready()
	if c := exec.Command("xauth", "-q", "-f", filepath.Join(k.home, ".Xauthority"), "add", "other/unix:3", ".", "00"); c.Run() != nil {
		t.Fatal("xauth")
	}
	old := k.number
	k.number = freeDisplay(t)
	k.reload("work", k.text(""))
	k.remote("moves", func(d control.RemoteDisplay) bool {
		return d.State == "ready" && d.Display == fmt.Sprintf("localhost:%d", k.number)
	})
	if list := k.entries(); strings.Contains(list, fmt.Sprintf("unix:%d ", old)) || !strings.Contains(list, fmt.Sprintf("unix:%d ", k.number)) || !strings.Contains(list, "other/unix:3") {
		t.Errorf("an edit leaves\n%s", list)
	}
	if c := exec.Command("xauth", "-q", "-f", filepath.Join(k.home, ".Xauthority"), "remove", "other/unix:3"); c.Run() != nil {
		t.Fatal("xauth")
	}
	k.reload("work", server(k.d)+onDisplay(k.x))
	sshtest.Eventually(t, patience, "no entry after the key is gone", func() bool { return k.entries() == "" })
	k.reload("work", k.text(""))
	k.ready()
	k.reload("work", strings.Replace(k.text(""), `link = {`, `link = { ciphers = ["aes128-ctr"],`, 1)) // a relink
	k.ready()
	k.reload("work", "")
	sshtest.Eventually(t, patience, "no entry after the profile is gone", func() bool { return k.entries() == "" })
	k.reload("work", k.text(""))
	k.ready()
	if err := k.stop(); err != nil {
		t.Error(err)
	}
	gone("the daemon's end")
}

// A server that hangs holds up nobody: what stays there is replaced the next time.
func TestRemoteDisplayOfServerThatHangs(t *testing.T) {
	t.Parallel()
	k := newRemoteDesk(t, "")
	k.start()
	k.ready()
	before := k.entries()
	k.d.Pause(false)
	k.must("down", "work")
	k.d.Resume()
	k.must("up", "work")
	k.ready()
	if after := k.entries(); after != before || after == "" {
		t.Errorf("entries %q, before %q", after, before)
	}
}

// Its time over, it shows no new window, keeps what is open, and begins anew with
// the next connection.
func TestRemoteDisplayTimeout(t *testing.T) {
	t.Parallel()
	k := newRemoteDesk(t, "untrusted_timeout = '2s'\n")
	k.start()
	k.ready()
	name := fmt.Sprintf("localhost:%d", k.number)
	clock := k.there(name, "xclock", "-title", "clock")
	if err := clock.Start(); err != nil {
		t.Fatal(err)
	}
	defer clock.Wait()
	defer clock.Process.Kill()
	awaitWindows(t, k.x, "clock", 1)
	sshtest.Eventually(t, patience, "a refusal", func() bool {
		out, err := k.there(name, "xdpyinfo").CombinedOutput()
		return err != nil && strings.Contains(string(out), string(fault.X11Expired))
	})
	k.coded(0, "work", fault.X11Expired)
	if windowsOf(k.x, "clock") != 1 {
		t.Error("the window that was open is gone")
	}
	k.must("restart", "work")
	sshtest.Eventually(t, patience, "a window after the restart", func() bool { return k.there(name, "xdpyinfo").Run() == nil })
}

// The cookie stays the same over a restart, so that copies of it go on; it is
// not the display's own, and nobody is told it.
func TestRemoteDisplayCookie(t *testing.T) {
	t.Parallel()
	k := newRemoteDesk(t, "", "LogLevel DEBUG3")
	k.start()
	k.ready()
	before := strings.Fields(k.entries())
	if len(before) != 3 || before[1] != "MIT-MAGIC-COOKIE-1" || len(before[2]) != 32 || before[2] == k.x.Cookie {
		t.Fatalf("entry %q", before)
	}
	cookie := before[2]
	everything := map[string]string{"sshd's log": k.d.Log()}
	everything["status"], _, _ = k.ask("status", "--json")
	everything["events"], _, _ = k.ask("events", "--json")
	k.cmd.Process.Kill() // it takes nothing back
	<-k.exited
	everything["the log"] = k.log()
	k.start()
	k.ready()
	if after := strings.Fields(k.entries()); len(after) != 3 || after[2] != cookie {
		t.Errorf("entry %q, before %q", after, before)
	}
	readAll(t, k.dir, everything)
	for what, text := range everything {
		if hasCookie(t, text, cookie) {
			t.Errorf("the cookie is in %s", what)
		}
	}
	readAll(t, k.home, everything)
	for what, text := range everything {
		if hasCookie(t, text, k.x.Cookie) {
			t.Errorf("the display's own cookie is in %s", what)
		}
	}
	info, err := os.Stat(filepath.Join(k.dir, "state", "x11.secret"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}

// A lie is refused in the liar's byte order and counted, and the window that is
// open goes on.
func TestRemoteDisplayWrongCookie(t *testing.T) {
	t.Parallel()
	k := newRemoteDesk(t, "")
	k.start()
	k.ready()
	clock := k.there(fmt.Sprintf("localhost:%d", k.number), "xclock", "-title", "clock")
	if err := clock.Start(); err != nil {
		t.Fatal(err)
	}
	defer clock.Wait()
	defer clock.Process.Kill()
	awaitWindows(t, k.x, "clock", 1)
	for order, head := range map[string]string{"little": "l\x00\x0b\x00\x00\x00\x12\x00\x10\x00\x00\x00", "big": "B\x00\x00\x0b\x00\x00\x00\x12\x00\x10\x00\x00"} {
		c := dialTCP(t, k.port())
		io.WriteString(c, head+"MIT-MAGIC-COOKIE-1\x00\x000123456789abcdef")
		if answer, _ := io.ReadAll(c); len(answer) < 8 || answer[0] != 0 || !strings.Contains(string(answer), "x11_bad_cookie") {
			t.Errorf("%s: answered %q", order, answer)
		}
	}
	q := k.observe("work", "both are counted", func(q control.Profile) bool { return q.X11.Refusals[fault.X11BadCookie] == 2 })
	if q.X11.Refused != 2 || q.X11.Active != 1 || windowsOf(k.x, "clock") != 1 {
		t.Errorf("%+v", q.X11)
	}
}

// What a server refuses has a code and a hint; the link is up nevertheless.
func TestRemoteDisplayRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sshd, profile string
		code          fault.Code
		hint          string
	}{
		"no forwarding":   {"AllowTcpForwarding no", "", fault.RemoteForwardDenied, "AllowTcpForwarding"},
		"no xauth":        {"SetEnv PATH=/nonexistent HOME=/nonexistent", "", fault.X11ServerRefused, "install it there"},
		"no xauth, tcsh":  {`ForceCommand echo "xauth: Command not found." >&2; exit 1`, "", fault.X11ServerRefused, "install it there"},
		"an echo":         {"ForceCommand cat", "", fault.SessionDenied, "ForceCommand"},
		"no home":         {"SetEnv HOME=/nonexistent", "", fault.X11ServerRefused, ".Xauthority"},
		"another command": {"ForceCommand true", "", fault.SessionDenied, "ForceCommand"},
		"no sessions":     {"MaxSessions 0", "", fault.SessionDenied, "MaxSessions"},
		"no shell":        {"X11Forwarding yes", "[shell]\nenabled = false\n", fault.SessionDenied, "shell.enabled = true"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newRemoteDesk(t, c.profile, c.sshd)
			k.start()
			got := k.remote("refused", func(d control.RemoteDisplay) bool { return d.State == "retrying" })
			if got.Error == nil || got.Error.Code != c.code || !strings.Contains(got.Error.Hint, c.hint) {
				t.Errorf("%+v, want %s and %q", got.Error, c.code, c.hint)
			}
			k.coded(0, "work", c.code)
			k.link(0, "work", "up")
			if table, _, _ := k.ask("status", "work"); !strings.Contains(table, string(c.code)) {
				t.Errorf("status has no %s:\n%s", c.code, table)
			}
		})
	}
}

// A desktop of the account at the server keeps its cookie, whether it was there
// first or came later: without it that would take no new programs.
func TestRemoteDisplayOfAnother(t *testing.T) {
	t.Parallel()
	k := newRemoteDesk(t, "")
	name := fmt.Sprintf("unix:%d", k.number)
	xauth := func(args ...string) {
		t.Helper()
		args = append([]string{"-q", "-f", filepath.Join(k.home, ".Xauthority")}, args...)
		if out, err := exec.Command("xauth", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	xauth("add", name, ".", strings.Repeat("ab", 16))
	others := k.entries()
	k.start()
	got := k.remote("refused", func(d control.RemoteDisplay) bool { return d.State == "retrying" })
	if got.Error.Code != fault.X11ServerRefused || !strings.Contains(got.Error.Hint, "xauth remove "+name) {
		t.Errorf("%+v", got.Error)
	}
	k.must("down", "work")
	if left := k.entries(); left != others {
		t.Errorf("left %q, want %q", left, others)
	}
	xauth("remove", name)
	k.must("up", "work")
	k.ready()
	xauth("add", name, ".", strings.Repeat("ab", 16))
	k.must("down", "work")
	if left := k.entries(); left != others {
		t.Errorf("left %q of what came later, want %q", left, others)
	}
}

// A port that is taken is tried again until it is free.
func TestRemoteDisplayPortTaken(t *testing.T) {
	t.Parallel()
	k := newRemoteDesk(t, "")
	l, err := net.Listen("tcp", k.port())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	k.start()
	got := k.remote("retrying", func(d control.RemoteDisplay) bool { return d.State == "retrying" })
	if got.Error.Code != fault.RemotePortBusy || !strings.Contains(got.Error.Hint, "another x11.remote_display") {
		t.Errorf("%+v", got.Error)
	}
	if left := k.entries(); left != "" {
		t.Errorf("a cookie for somebody else's port: %s", left)
	}
	l.Close()
	k.ready()
}

// A window finds its display when it opens: one that was handed over by then,
// and only one that restricts programs.
func TestRemoteDisplayFindsItsDisplay(t *testing.T) {
	t.Parallel()
	k := newRemoteDesk(t, "")
	k.profile("work", server(k.d)+fmt.Sprintf("x11.remote_display = %d\n", k.number))
	k.start()
	k.ready()
	name := fmt.Sprintf("localhost:%d", k.number)
	refused := func(code fault.Code) {
		t.Helper()
		if out, err := k.there(name, "xdpyinfo").CombinedOutput(); err == nil || !strings.Contains(string(out), string(code)) {
			t.Errorf("want %s: %v %s", code, err, out)
		}
		k.coded(0, "work", code)
	}
	shows := func(x *sshtest.Xvfb, title string) {
		t.Helper()
		if out, err := k.commandOn(x, "display").CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		cmd := k.there(name, "xclock", "-title", title)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		awaitWindows(t, x, title, 1)
	}
	refused(fault.X11NoDisplay)
	shows(k.x, "one")
	second := sshtest.StartXvfb(t)
	shows(second, "two")
	if windowsOf(k.x, "one") != 1 || windowsOf(k.x, "two") != 0 {
		t.Error("the windows mixed")
	}
	open := sshtest.StartOpenXvfb(t)
	if out, err := k.commandOn(open, "display").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	refused(fault.X11SecurityOpen)
	k.reload("work", server(k.d)+fmt.Sprintf("x11.remote_display = %d\nx11.trusted = true\n", k.number))
	awaitWindows(t, k.x, "one", 0) // edited: its windows end
	k.ready()
	shows(k.x, "trusted")
	if out, err := k.there(name, "xwd", "-root", "-silent", "-out", "/dev/null").CombinedOutput(); err != nil {
		t.Errorf("a trusted program may not look: %v %s", err, out)
	}
}

// The doctor goes through it, too.
func TestDoctorOfRemoteDisplay(t *testing.T) {
	t.Parallel()
	k := newRemoteDesk(t, "", "X11Forwarding yes")
	const upTo = "pass display, pass cookie, pass answer, pass restriction, pass server, pass round trip, "
	if got, _ := k.doctor(); got != upTo+"skip remote display" {
		t.Errorf("without a daemon: %s", got)
	}
	k.start()
	k.ready()
	got, last := k.doctor()
	if got != upTo+"pass remote display" || !strings.Contains(last.Detail, fmt.Sprintf("localhost:%d", k.number)) {
		t.Errorf("%s\n%+v", got, last)
	}
	l, err := net.Listen("tcp", freeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	k.number = l.Addr().(*net.TCPAddr).Port - 6000
	k.reload("work", k.text(""))
	k.remote("retrying", func(d control.RemoteDisplay) bool { return d.State == "retrying" })
	if got, last := k.doctor(); got != upTo+"fail remote display" || last.Error.Code != fault.RemotePortBusy {
		t.Errorf("%s\n%+v", got, last.Error)
	}
}
