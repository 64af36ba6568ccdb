package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// startX11SSHD starts a server that forwards X11, whose sessions have a home
// folder of their own for xauth.
func startX11SSHD(t *testing.T) *sshtest.SSHD {
	t.Helper()
	return sshtest.StartSSHD(t, "X11Forwarding yes", "X11UseLocalhost yes", "MaxSessions 100", "SetEnv HOME="+t.TempDir())
}

// onDisplay is the [x11] of a profile for one X server.
func onDisplay(x *sshtest.Xvfb) string {
	return fmt.Sprintf("[x11]\ndisplay = %q\nxauthority = %q\n", x.Display, x.Authority)
}

func appEntry(name, command string, more ...string) string {
	return fmt.Sprintf("[[x11.app]]\nname = %q\ncommand = %q\n%s\n", name, command, strings.Join(more, "\n"))
}

// windowsOf counts the windows on a display whose title is name.
func windowsOf(x *sshtest.Xvfb, name string) int {
	out, err := x.Command("xwininfo", "-root", "-tree").CombinedOutput()
	if err != nil {
		return -1
	}
	return strings.Count(string(out), fmt.Sprintf("%q", name))
}

func awaitWindows(t *testing.T, x *sshtest.Xvfb, name string, n int) {
	t.Helper()
	sshtest.Eventually(t, patience, fmt.Sprintf("%d windows %s", n, name), func() bool { return windowsOf(x, name) == n })
}

// app waits until a program of work is as it should be.
func (p *process) app(name, what string, fits func(control.App) bool) control.App {
	p.t.Helper()
	var found control.App
	p.observe("work", name+": "+what, func(q control.Profile) bool {
		for _, a := range q.X11.Apps {
			if a.Name == name && fits(a) {
				found = a
				return true
			}
		}
		return false
	})
	return found
}

func inState(state string) func(control.App) bool {
	return func(a control.App) bool { return a.State == state }
}

// commandOn is a command line for the daemon, typed on a display; nil is none.
func (p *process) commandOn(x *sshtest.Xvfb, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = append(environment(), "TUNNELD_CONFIG="+p.dir)
	if x != nil {
		cmd.Env = append(cmd.Env, "DISPLAY="+x.Display, "XAUTHORITY="+x.Authority)
	}
	return cmd
}

// ask runs a command line without a display, to its end.
func (p *process) ask(args ...string) (stdout, stderr string, status int) {
	p.t.Helper()
	cmd := p.commandOn(nil, args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must is ask for what succeeds.
func (p *process) must(args ...string) {
	p.t.Helper()
	if out, errs, status := p.ask(args...); status != 0 {
		p.t.Fatalf("tunneld %s: %d\n%s%s", strings.Join(args, " "), status, out, errs)
	}
}

// A program is launched, shows its window, stays, and is ended by name.
func TestLaunch(t *testing.T) {
	t.Parallel()
	x, d := sshtest.StartXvfb(t), startX11SSHD(t)
	p := startDaemon(t, map[string]string{"work": server(d) + onDisplay(x) + appEntry("clock", "xclock -title clock")})
	p.link(0, "work", "up")
	for n := range 2 {
		p.must("launch", "work/clock")
		awaitWindows(t, x, "clock", n+1)
	}
	p.app("clock", "runs twice", func(a control.App) bool { return a.State == "running" && a.Running == 2 })
	p.observe("work", "x11 ready", func(q control.Profile) bool {
		return q.X11.State == "ready" && q.X11.Display == x.Display && q.X11.From == "profile" && q.X11.Active == 2
	})
	p.must("restart", "work/clock")
	awaitWindows(t, x, "clock", 1)
	p.must("down", "work/clock")
	awaitWindows(t, x, "clock", 0)
	p.app("clock", "stopped", inState("stopped"))
	p.must("up", "work/clock")
	awaitWindows(t, x, "clock", 1)
	_, hint, status := p.ask("launch", "work/none")
	if status != 1 || !strings.Contains(hint, "work has no program") {
		t.Errorf("launch of what is not there: %d %s", status, hint)
	}
}

// Programs are not trusted unless somebody says so: they see next to nothing of
// the display.
func TestLaunchUntrusted(t *testing.T) {
	t.Parallel()
	x, d := sshtest.StartXvfb(t), startX11SSHD(t)
	p := startDaemon(t, map[string]string{"work": server(d) + onDisplay(x) + appEntry("info", "xdpyinfo -queryExtensions") +
		appEntry("all", "xdpyinfo", "trusted = true") + appEntry("spy", "xwd -root -silent -out /dev/null")})
	p.link(0, "work", "up")
	const few = "number of extensions: 2"
	_, all, _ := strings.Cut(x.Run("xdpyinfo"), "\nnumber of extensions:")
	all = "number of extensions: " + strings.Fields(all)[0]
	for _, c := range []struct {
		args []string
		sees string
	}{{[]string{"launch", "work/info"}, few}, {[]string{"launch", "-Y", "work/info"}, all}, {[]string{"launch", "work/all"}, all}} {
		mark := p.mark()
		p.must(c.args...)
		if sees := p.says(mark, "number of extensions:"); sees != c.sees {
			t.Errorf("%s: %s, want %s", c.args, sees, c.sees)
		}
	}
	mark := p.mark()
	p.must("launch", "work/spy")
	p.says(mark, "xwd: unable to get image")
	p.app("spy", "fails", func(a control.App) bool { return a.Exit == "status 1" })
	p.must("launch", "-Y", "work/spy")
	p.app("spy", "sees all when trusted", func(a control.App) bool { return a.Exit == "status 0" })
}

// A display that lets everybody in cannot restrict programs: that is refused,
// with the ways out.
func TestLaunchOnOpenDisplay(t *testing.T) {
	x, d := sshtest.StartOpenXvfb(t), startX11SSHD(t)
	p := startDaemon(t, map[string]string{"work": server(d) + onDisplay(x) + appEntry("clock", "xclock -title clock")})
	p.link(0, "work", "up")
	_, text, status := p.ask("launch", "work/clock")
	if status != 1 || !strings.Contains(text, string(fault.X11SecurityOpen)) || !strings.Contains(text, "-Y once, set x11.trusted = true") {
		t.Errorf("%d %s", status, text)
	}
	p.observe("work", "x11 error", func(q control.Profile) bool {
		return q.X11.State == "error" && q.X11.Error.Code == fault.X11SecurityOpen
	})
	p.must("launch", "-Y", "work/clock")
	awaitWindows(t, x, "clock", 1)
}

// What always runs comes back after a crash and after each reconnect; what was
// launched ends with the connection.
func TestAlwaysComesBack(t *testing.T) {
	t.Parallel()
	x, d := sshtest.StartXvfb(t), startX11SSHD(t)
	p := startDaemon(t, map[string]string{"work": server(d) + onDisplay(x) + appEntry("eyes", "xeyes -title eyes", `start = "always"`) +
		appEntry("clock", "xclock -title clock")})
	awaitWindows(t, x, "eyes", 1)
	p.must("launch", "work/clock")
	awaitWindows(t, x, "clock", 1)
	d.KillConnections()
	awaitWindows(t, x, "clock", 0)
	awaitWindows(t, x, "eyes", 1)
	p.app("clock", "stopped", inState("stopped"))
	p.app("eyes", "runs", inState("running"))
	p.must("launch", "work/clock")
	awaitWindows(t, x, "clock", 1)
	p.must("down", "work/eyes")
	awaitWindows(t, x, "eyes", 0)
	mark := p.mark()
	d.KillConnections()
	p.link(mark, "work", "up")
	p.app("eyes", "stays down", inState("stopped"))
	p.must("up", "work")
	awaitWindows(t, x, "eyes", 1)
}

// A daemon without a display gets one from somebody who logs in later.
func TestDisplayHandedOver(t *testing.T) {
	x, d := sshtest.StartXvfb(t), startX11SSHD(t)
	p := prepareDaemon(t, map[string]string{"work": server(d) + appEntry("eyes", "xeyes -title eyes", `start = "always"`)})
	p.start()
	e := p.coded(0, "work", fault.X11NoDisplay)
	if e.App != "eyes" || !strings.Contains(e.Hint, "tunneld display") {
		t.Errorf("%+v", e)
	}
	if _, text, status := p.ask("display"); status != 1 || !strings.Contains(text, "no DISPLAY") {
		t.Errorf("%d %s", status, text)
	}
	if out, err := p.commandOn(x, "display").CombinedOutput(); err != nil || string(out) != "windows go to "+x.Display+"\n" {
		t.Fatalf("%v %s", err, out)
	}
	awaitWindows(t, x, "eyes", 1)
	p.observe("work", "handed", func(q control.Profile) bool { return q.X11.From == "handed" && q.X11.Display == x.Display })
	wrong := sshtest.StartXvfb(t)
	cmd := p.commandOn(wrong, "display")
	cmd.Env = append(cmd.Env, "XAUTHORITY="+x.Authority)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), string(fault.X11DisplayRefused)) {
		t.Errorf("a display that its cookie does not open: %v %s", err, out)
	}
}

// The command that asks for a program brings its display.
func TestLaunchOnTheCallersDisplay(t *testing.T) {
	mine, other, d := sshtest.StartXvfb(t), sshtest.StartXvfb(t), startX11SSHD(t)
	p := startDaemon(t, map[string]string{"work": server(d) + appEntry("clock", "xclock -title clock")})
	p.link(0, "work", "up")
	for _, x := range []*sshtest.Xvfb{mine, other} {
		if out, err := p.commandOn(x, "launch", "work/clock").CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		awaitWindows(t, x, "clock", 1)
	}
	if windowsOf(mine, "clock") != 1 {
		t.Error("the windows mixed")
	}
	p.observe("work", "caller", func(q control.Profile) bool { return q.X11.From == "caller" && q.X11.Display == other.Display })
}

// A program runs on the caller's display until it ends, with its exit status; with
// a daemon, and without.
func TestX11Command(t *testing.T) {
	t.Parallel()
	x, d := sshtest.StartXvfb(t), startX11SSHD(t)
	p := prepareDaemon(t, map[string]string{"work": server(d)})
	for _, with := range []string{"no daemon", "a daemon"} {
		if with == "a daemon" {
			p.start()
			p.link(0, "work", "up")
		}
		out, err := p.commandOn(x, "x11", "work", "--", "sh", "-c", "xdpyinfo -queryExtensions | grep 'number of ext'; exit 7").Output()
		if code := exitCode(err); code != 7 || !strings.HasPrefix(string(out), "number of extensions:") {
			t.Errorf("%s: %d %s", with, code, out)
		}
		untrusted := string(out)
		for _, args := range [][]string{{"x11", "-Y", "work"}, {"exec", "-Y", "work"}} {
			out, err := p.commandOn(x, append(args, "xdpyinfo | grep 'number of ext'")...).Output()
			if err != nil || string(out) == untrusted {
				t.Errorf("%s, %s: %v %s", with, args, err, out)
			}
		}
		shell := p.commandOn(x, "shell", "-X", "-T", "work")
		shell.Stdin = strings.NewReader("xdpyinfo | grep 'number of ext'\n")
		if out, err := shell.Output(); err != nil || string(out) != untrusted {
			t.Errorf("%s: shell -X: %v %s", with, err, out)
		}
		clock := p.running(x, "x11", "work", "xclock -title clock")
		awaitWindows(t, x, "clock", 1)
		sshtest.Eventually(t, patience, "enough interrupts end it", func() bool {
			clock.Process.Signal(os.Interrupt) // two at once may be one
			return windowsOf(x, "clock") == 0
		})
		clock.Wait()
		_, text, status := p.ask("x11", "work", "xclock")
		if status != 255 || !strings.Contains(text, string(fault.X11NoDisplay)) {
			t.Errorf("%s: without a display: %d %s", with, status, text)
		}
	}
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}
