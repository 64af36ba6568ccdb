package sshtest

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Xvfb is a real X server without a screen, at a display number that was free.
// Like one of a desktop, it goes on when its last program leaves.
type Xvfb struct {
	Display   string // :N
	Number    int
	Authority string // path of the file with its cookie, written by xauth
	Cookie    string // hexadecimal; empty where the server asks for none

	t      testing.TB
	dir    string
	args   []string
	cmd    *exec.Cmd     // nil while stopped
	exited chan struct{} // closed when cmd is over
}

// StartXvfb starts a server that lets programs in by its cookie alone. args are
// for Xvfb.
func StartXvfb(t testing.TB, args ...string) *Xvfb {
	t.Helper()
	x := newXvfb(t, args)
	x.Cookie = NewXCookie()
	x.start()
	return x
}

// StartOpenXvfb starts a server without cookies, which lets in every program of
// this machine.
func StartOpenXvfb(t testing.TB, args ...string) *Xvfb {
	t.Helper()
	x := newXvfb(t, args)
	x.start()
	return x
}

func newXvfb(t testing.TB, args []string) *Xvfb {
	t.Helper()
	NeedUnix(t, "an X server")
	x := &Xvfb{t: t, dir: t.TempDir(), args: args}
	x.Authority = filepath.Join(x.dir, "Xauthority")
	t.Cleanup(x.Stop)
	return x
}

// NewXCookie returns 16 random bytes in hexadecimal.
func NewXCookie() string {
	cookie := make([]byte, 16)
	rand.Read(cookie)
	return hex.EncodeToString(cookie)
}

// Start runs the server again after Stop, at the same number, and with another
// cookie where it has one.
func (x *Xvfb) Start() {
	x.t.Helper()
	if x.cmd != nil {
		x.t.Fatal("Xvfb runs already")
	}
	if x.Cookie != "" {
		x.Cookie = NewXCookie()
	}
	x.start()
}

// Stop ends the server and all connections to it.
func (x *Xvfb) Stop() {
	if x.cmd == nil {
		return
	}
	x.Resume()
	x.cmd.Process.Signal(os.Interrupt) // it removes its socket and its lock
	select {
	case <-x.exited:
	case <-time.After(startTimeout):
		x.cmd.Process.Kill()
		<-x.exited
	}
	x.cmd = nil
}

// Pause stops the server in its tracks: its socket still takes connections.
func (x *Xvfb) Pause() { sendSignal(sigStop, x.cmd.Process.Pid) }

// Resume undoes Pause.
func (x *Xvfb) Resume() { sendSignal(sigContinue, x.cmd.Process.Pid) }

// Command is a program that shows itself on the display, as its owner would run
// it.
func (x *Xvfb) Command(name string, args ...string) *exec.Cmd {
	return XCommand(x.Display, x.Authority, name, args...)
}

// Run runs a program on the display to its end, and returns what it printed.
func (x *Xvfb) Run(name string, args ...string) string {
	x.t.Helper()
	out, err := x.Command(name, args...).CombinedOutput()
	if err != nil {
		x.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// XCommand is a program that looks for its display and cookie at the given
// places, and nowhere else.
func XCommand(display, authority, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "DISPLAY="+display, "XAUTHORITY="+authority)
	cmd.SysProcAttr = endWithParent()
	return cmd
}

// AddXCookie has xauth write a cookie for a display into an authority file.
func AddXCookie(t testing.TB, authority, display, cookie string) {
	t.Helper()
	NeedUnix(t, "xauth")
	out, err := exec.Command("xauth", "-q", "-f", authority, "add", display, "MIT-MAGIC-COOKIE-1", cookie).CombinedOutput()
	if err != nil {
		t.Fatalf("xauth add %s: %v: %s: run: make deps", display, err, out)
	}
}

// start runs Xvfb and returns when it says its number, which it does when it is
// ready.
func (x *Xvfb) start() {
	x.t.Helper()
	ready, number, err := os.Pipe()
	if err != nil {
		x.t.Fatal(err)
	}
	defer ready.Close()
	args := append([]string{"-displayfd", "3", "-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset"}, x.args...)
	if x.Display != "" {
		args = append([]string{x.Display}, args...)
	}
	if x.Cookie != "" {
		args = append(args, "-auth", x.serverAuthority())
	}
	x.cmd = exec.Command("Xvfb", args...)
	x.cmd.ExtraFiles = []*os.File{number}
	x.cmd.SysProcAttr = endWithParent()
	err = x.cmd.Start()
	number.Close()
	if err != nil {
		x.cmd = nil
		x.t.Fatalf("%v: run: make deps", err)
	}
	x.exited = make(chan struct{})
	go reap(x.cmd, x.exited)
	x.awaitNumber(ready)
}

// serverAuthority writes the cookie to a file for the server, which takes it
// whatever display it is for.
func (x *Xvfb) serverAuthority() string {
	path := filepath.Join(x.dir, "server")
	os.Remove(path)
	AddXCookie(x.t, path, ":0", x.Cookie)
	return path
}

func (x *Xvfb) awaitNumber(ready *os.File) {
	x.t.Helper()
	ready.SetReadDeadline(time.Now().Add(startTimeout))
	line, err := bufio.NewReader(ready).ReadString('\n')
	if err != nil {
		x.t.Fatalf("Xvfb did not start: %v", err)
	}
	if x.Number, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		x.t.Fatal(err)
	}
	x.Display = ":" + strconv.Itoa(x.Number)
	if x.Cookie != "" {
		AddXCookie(x.t, x.Authority, x.Display, x.Cookie)
	}
}
