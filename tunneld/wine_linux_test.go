package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// wine is the program built for Windows and the place where it runs.
type wine struct {
	exe    string
	prefix string

	mu    sync.Mutex // guards users, and lets nobody begin while Wine ends
	users int
}

// windows returns the one wine of all tests that need none of their own, made at
// the first call.
var windows = sync.OnceValues(sharedWine)

// sharedWine is removed with the program.
func sharedWine() (*wine, error) { return newWine(filepath.Dir(program)) }

// newWine makes a wine in dir, of the program built with flags.
func newWine(dir string, flags ...string) (*wine, error) {
	w := &wine{exe: filepath.Join(dir, "tunneld.exe"), prefix: filepath.Join(dir, "wine")}
	build := exec.Command("go", append(append([]string{"build", "-o", w.exe}, flags...), ".")...)
	build.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	if out, err := w.run("wineboot", "-i").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("wineboot: %w\n%s", err, out)
	}
	dll := filepath.Join(w.prefix, "drive_c", "windows", "system32", "bcryptprimitives.dll")
	if out, err := exec.Command("x86_64-w64-mingw32-gcc", "-shared", "-o", dll, "testdata/wine/prng.c", "-ladvapi32").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("gcc: %w\n%s", err, out)
	}
	return w, nil
}

func (w *wine) run(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "WINEPREFIX="+w.prefix, "WINEARCH=win64", "WINEDEBUG=-all", "WINEDLLOVERRIDES=mscoree,mshtml=", "DISPLAY=", "SSH_AUTH_SOCK=")
	return cmd
}

func (w *wine) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.users++
}

// end ends, after the last test, what of Wine still runs in our prefix, its
// servers too.
func (w *wine) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.users--; w.users == 0 {
		_ = w.run("wineserver", "-k", "-w").Run() // it fails when nothing runs any more
	}
}

// drive is a path of this machine as Windows sees it.
func drive(path string) string { return "Z:" + path }

// onWindows returns a daemon to be, of the program built for Windows. Its
// profiles name files with drive.
func onWindows(t testing.TB, profiles map[string]string) *process {
	t.Helper()
	w, err := windows()
	if err != nil {
		t.Fatal(err)
	}
	w.begin()
	t.Cleanup(w.end)
	p := prepareDaemon(t, profiles)
	p.command = func(args ...string) *exec.Cmd {
		return w.run("wine", append([]string{w.exe, "--config", drive(p.dir)}, args...)...)
	}
	return p
}

// The program built for Windows keeps a tunnel up, and is asked through its
// named pipe: status, an edit, down and up, events; a killed connection comes
// back. Wine has no first instance of a pipe, so nothing is said of a second daemon.
func TestWindows(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	local, added := freeAddr(t), freeAddr(t)
	text := onDrive(server(d)) + localForward("db", local, echo.Addr) + remoteForward("back", "127.0.0.1:0", echo.Addr)
	p := onWindows(t, map[string]string{"work": text})
	p.start()
	p.forward(0, "work", "back", "listening")
	ping(t, dialTCP(t, local), "through Windows")

	out, errs, status := p.tunneld("", "status", "--wait", "30s", "--json")
	if status != 0 || !strings.Contains(out, `"state": "up"`) {
		t.Fatalf("status: %d %s%s", status, out, errs)
	}

	if out, errs, status := p.tunneld("a\x00b\xff\r\n", "exec", "work", "cat; echo err >&2; exit 7"); status != 7 || out != "a\x00b\xff\r\n" || errs != "err\n" {
		t.Errorf("exec: %d %q %q", status, out, errs)
	}
	if out, errs, status := p.tunneld("", "exec", "work", "--", "printf", "%s-", "it's", "$HOME"); status != 0 || out != "it's-$HOME-" {
		t.Errorf("exec: %d %q %q", status, out, errs)
	}

	mark := p.mark()
	d.KillConnections()
	p.link(mark, "work", "up")
	p.forward(mark, "work", "back", "listening")
	ping(t, dialTCP(t, local), "after the kill")

	mark = p.mark()
	p.replace("work", text+localForward("added", added, echo.Addr))
	p.forward(mark, "work", "added", "listening")
	ping(t, dialTCP(t, added), "after the edit")

	for _, action := range []string{"down", "up"} {
		if _, errs, status := p.tunneld("", action, "work"); status != 0 {
			t.Fatal(action, errs)
		}
	}
	if _, errs, status := p.tunneld("", "status", "--wait", "30s"); status != 0 {
		t.Fatal(errs)
	}
	copyOnWindows(t, p)
	if out, errs, status := p.tunneld("", "events"); status != 0 || !strings.Contains(out, "down") {
		t.Errorf("events: %d %s%s", status, out, errs)
	}
}

// A named pipe of Windows is what listens, and what is dialled: a client on the
// server comes in by a remote forward, through a pipe whose forward leads back to
// the server. A pipe cannot half-close, so the client's end goes no further.
func TestWindowsPipes(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	remotes := freeAddrs(t, 2)
	p := onWindows(t, map[string]string{"work": onDrive(server(d)) +
		localForward("out", "pipe:tunneld-test", echo.Addr) +
		remoteForward("in", remotes[0], "pipe:tunneld-test") + remoteForward("nobody", remotes[1], "pipe:tunneld-none")})
	p.start()
	for _, name := range []string{"out", "in", "nobody"} {
		p.forward(0, "work", name, "listening")
	}
	var c *net.TCPConn
	sshtest.Eventually(t, patience, "a client of the pipe", func() bool {
		c = dialTCP(t, remotes[0])
		c.SetReadDeadline(time.Now().Add(3 * time.Second)) // Wine loses a pipe's first client, who waits for ever
		return tryPing(c, "through a pipe") == nil
	})
	c.SetReadDeadline(time.Now().Add(patience))
	for range 3 {
		ping(t, c, strings.Repeat("many bytes ", 10_000))
	}
	if tryPing(dialTCP(t, remotes[1]), "nobody") == nil {
		t.Error("a pipe that nobody made was dialled")
	}
	if e := p.coded(0, "work", fault.TargetRefused); e.Forward != "nobody" || !strings.Contains(e.Detail, "tunneld-none") {
		t.Errorf("event %+v", e)
	}
}

// copyOnWindows copies a tree to the server and back, through the named pipe.
func copyOnWindows(t *testing.T, p *process) {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/tree/with space", 0o755); err != nil {
		t.Fatal(err)
	}
	want := bulky(t, dir+"/tree/with space/a", 5<<20)
	for _, args := range [][]string{{"-rp", drive(dir + "/tree"), "work:" + dir + "/there"}, {"-rp", "work:" + dir + "/there", drive(dir + "/back")}} {
		if out, errs, status := p.tunneld("", append([]string{"cp"}, args...)...); status != 0 || out+errs != "" {
			t.Fatalf("cp: %d %q %q", status, out, errs)
		}
	}
	if fileDigest(t, dir+"/back/with space/a") != want {
		t.Error("another file came back")
	}
}

// onDrive makes the paths of a profile Windows'.
func onDrive(text string) string { return strings.ReplaceAll(text, `"/`, `"Z:/`) }
