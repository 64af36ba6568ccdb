//go:build !windows

package control_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tunneld/control"
	"tunneld/fault"
)

// nobody is an account that is not ours.
const nobody = 65534

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// daemonProcess runs this program as a daemon at path, by uid.
func daemonProcess(t *testing.T, path string, uid uint32) *exec.Cmd {
	t.Helper()
	exe := filepath.Join(filepath.Dir(filepath.Dir(path)), "daemon")
	if err := copyProgram(exe); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), serveEnv+"="+path)
	if uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "serving\n" {
		t.Fatalf("the daemon says %q", line)
	}
	return cmd
}

// copyProgram puts this test program where every account can run it.
func copyProgram(to string) error {
	from, err := os.Executable()
	if err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close(), os.Chmod(filepath.Dir(to), 0o755))
}

// The folder and the socket are the owner's alone, whatever the umask.
func TestModes(t *testing.T) {
	path := socketPath(t)
	defer syscall.Umask(syscall.Umask(0))
	l, err := control.Listen(path, control.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{
		filepath.Dir(path): 0o700 | fs.ModeDir, path: 0o600 | fs.ModeSocket, path + ".lock": 0o600,
	} {
		if info, err := os.Lstat(name); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, want %v", name, info.Mode(), want)
		}
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the socket stays")
	}
}

// The machine's socket is for a group, where that exists.
func TestGroup(t *testing.T) {
	needRoot(t)
	for group, want := range map[string]fs.FileMode{"nogroup": 0o660, "no-such-group": 0o600} {
		path := socketPath(t)
		l, err := control.Listen(path, control.ListenOptions{Group: group})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		info, err := os.Lstat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", group, info.Mode(), err)
		}
		if gid := info.Sys().(*syscall.Stat_t).Gid; (gid != 0) != (want == 0o660) {
			t.Errorf("%s: gid %d", group, gid)
		}
	}
}

// A second daemon hears who has the socket; when the first ends, it is free.
func TestSecondDaemon(t *testing.T) {
	path := socketPath(t)
	l, err := control.Listen(path, control.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = control.Listen(path, control.ListenOptions{})
	wantCode(t, err, fault.DaemonRunning)
	if pid := fmt.Sprintf("pid %d", os.Getpid()); !strings.Contains(err.Error(), pid) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := control.Listen(path, control.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// What a killed daemon left behind is no obstacle, to clients or the next one.
func TestStaleSocket(t *testing.T) {
	path := socketPath(t)
	first := daemonProcess(t, path, 0)
	_, err := control.Listen(path, control.ListenOptions{})
	wantCode(t, err, fault.DaemonRunning)
	if !strings.Contains(err.Error(), fmt.Sprintf("pid %d", first.Process.Pid)) {
		t.Errorf("error %q", err)
	}
	first.Process.Kill()
	first.Wait()
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("nothing was left behind: %v", err)
	}
	_, err = control.New(path).Status(t.Context())
	wantCode(t, err, fault.DaemonNotRunning)
	l, err := control.Listen(path, control.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

// A folder in which others can put a socket is refused, and no file is removed
// that is not a socket.
func TestBadPlaces(t *testing.T) {
	needRoot(t)
	try := func(name string, code fault.Code, spoil func(dir, path string) error) {
		path := socketPath(t)
		dir := filepath.Dir(path)
		if err := errors.Join(os.Mkdir(dir, 0o700), spoil(dir, path)); err != nil {
			t.Fatal(err)
		}
		l, err := control.Listen(path, control.ListenOptions{})
		if err == nil {
			l.Close()
			t.Errorf("%s: accepted", name)
		} else if code != "" {
			wantCode(t, err, code)
		}
	}
	try("others write", fault.PermissionDenied, func(dir, _ string) error { return os.Chmod(dir, 0o1777) })
	try("group writes", fault.PermissionDenied, func(dir, _ string) error { return os.Chmod(dir, 0o770) })
	try("another owner", fault.PermissionDenied, func(dir, _ string) error { return os.Chown(dir, nobody, nobody) })
	try("a link", fault.PermissionDenied, func(dir, _ string) error {
		return errors.Join(os.Rename(dir, dir+"2"), os.Symlink(dir+"2", dir))
	})
	try("a file", "", func(_, path string) error { return os.WriteFile(path, []byte("mine"), 0o600) })
	if _, err := control.Listen("/tmp/"+strings.Repeat("x", 100)+"/s", control.ListenOptions{}); err == nil {
		t.Error("a path that is too long was accepted")
	}
}

// Another account may connect where it is in the group, and nowhere else: the
// socket's own mode says so, whatever the folder's.
func TestOtherAccounts(t *testing.T) {
	needRoot(t)
	const stranger, couldNotConnect = 65533, 7 // the latter is curl's
	for _, c := range []struct {
		group    string
		uid, gid uint32
		want     int
	}{
		{"", nobody, nobody, couldNotConnect},
		{"nogroup", nobody, stranger, couldNotConnect},
		{"nogroup", stranger, nobody, 0}, // Debian's nogroup has the number of nobody
	} {
		s := serveFor(t, &fake{}, control.ListenOptions{Group: c.group})
		for dir := filepath.Dir(s.path); dir != os.TempDir(); dir = filepath.Dir(dir) {
			os.Chmod(dir, 0o755)
		}
		cmd := exec.Command("curl", "-sS", "--unix-socket", s.path, "http://tunneld/v1/status")
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.uid, Gid: c.gid}}
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != c.want {
			t.Errorf("%+v: exit %d: %s", c, got, out)
		}
		if c.want == 0 && s.access(t, 0).Peer.User != "65533" {
			t.Errorf("%+v: peer %+v", c, s.access(t, 0).Peer)
		}
	}
}

// Another account is refused by who it is, where somebody has let it in.
func TestStrangers(t *testing.T) {
	needRoot(t)
	s := serve(t, &fake{})
	for dir := filepath.Dir(s.path); dir != os.TempDir(); dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755)
	}
	if err := os.Chmod(s.path, 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("curl", "-sS", "--unix-socket", s.path, "-X", "POST", "http://tunneld/v1/reload")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), `"code":"permission_denied"`) {
		t.Errorf("%v: %s", err, out)
	}
	if a := s.access(t, 0); a.Status != 403 || a.Peer.User != "65534" {
		t.Errorf("access %+v", a)
	}
}

// A client says nothing to a daemon of another account.
func TestClientChecksWhoServes(t *testing.T) {
	needRoot(t)
	path := socketPath(t)
	dir := filepath.Dir(path)
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, nobody, nobody), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	daemonProcess(t, path, nobody)
	_, err := control.Dial(t.Context(), path)
	wantCode(t, err, fault.PermissionDenied)
	err = control.New(path).SetSecret(t.Context(), "x", []byte("secret"))
	wantCode(t, err, fault.PermissionDenied)
	if !strings.Contains(err.Error(), "uid 65534") {
		t.Errorf("error %v", err)
	}
}

// A daemon that accepts and says nothing costs a client its own limit, no more.
func TestSilentServer(t *testing.T) {
	path := socketPath(t)
	l, err := control.Listen(path, control.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			accepted <- c
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { defer cancel(); c := <-accepted; defer c.Close(); c.Read(make([]byte, 1)) }()
	if _, err := control.New(path).Status(ctx); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("error %v", err)
	}
	l.Close()
}
