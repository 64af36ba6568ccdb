//go:build system

package install_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds every wait, on a machine that runs others.
const patience = 60 * time.Second

// machine is a Debian that is run by systemd, in namespaces of its own, with an
// SSH server and the program in /usr/local/bin.
type machine struct {
	t       *testing.T
	root    string // its file system
	console string // a file
	nspawn  *exec.Cmd
	over    chan struct{} // closed when nspawn is over
}

// boot starts a machine on a fresh copy of the tree. It ends with the test.
func boot(t *testing.T) *machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root starts machines")
	}
	tree := debian(t)
	dir := t.TempDir()
	m := &machine{t: t, root: filepath.Join(dir, "root"), console: filepath.Join(dir, "console")}
	layers := []string{m.root, filepath.Join(dir, "upper"), filepath.Join(dir, "work")}
	for _, d := range layers {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", tree, layers[1], layers[2])
	if err := unix.Mount("overlay", m.root, "overlay", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(m.root, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	m.put("/usr/local/bin/tunneld", build(t), 0o755)
	m.start()
	t.Cleanup(m.end)
	m.await("the boot", "systemctl is-system-running | grep -E 'running|degraded'")
	m.sh("systemctl is-active ssh")
	return m
}

// start runs systemd in the tree.
func (m *machine) start() {
	m.t.Helper()
	console, err := os.Create(m.console)
	if err != nil {
		m.t.Fatal(err)
	}
	defer console.Close()
	m.nspawn = exec.Command("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--machine=tunneld-test", "--directory="+m.root, "--boot")
	m.nspawn.Stdout, m.nspawn.Stderr = console, console
	if err := m.nspawn.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.over = make(chan struct{})
	go await(m.nspawn, m.over)
}

func await(cmd *exec.Cmd, over chan<- struct{}) {
	_ = cmd.Wait() // how it ends says nothing
	close(over)
}

// end switches the machine off, and tells what it said if the test failed.
func (m *machine) end() {
	if m.t.Failed() {
		out, _ := m.try("journalctl --no-pager -n 80 -u tunneld -u 'user@*'")
		m.t.Logf("the journal:\n%s", out)
		said, _ := os.ReadFile(m.console)
		m.t.Logf("the console:\n%s", said[max(0, len(said)-2000):])
	}
	if leader := m.leader(); leader > 0 {
		_ = unix.Kill(leader, unix.SIGKILL) // first: it would outlive nspawn
	}
	select {
	case <-m.over:
	case <-time.After(10 * time.Second):
		_ = m.nspawn.Process.Kill()
		<-m.over
	}
}

// leader is the process id of the machine's systemd, 0 while there is none.
func (m *machine) leader() (pid int) {
	id := m.nspawn.Process.Pid
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", id, id))
	_, _ = fmt.Sscan(string(children), &pid)
	return pid
}

// try runs lines of a shell in the machine as root.
func (m *machine) try(script string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", "--target", fmt.Sprint(m.leader()), "--all", "--", "bash", "-c", "set -eo pipefail; cd; "+script)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"}
	cmd.WaitDelay = time.Second // what it left behind may hold its output
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// sh is try that must succeed.
func (m *machine) sh(script string) string {
	m.t.Helper()
	out, err := m.try(script)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// fails is try that must end with the exit status, and say words.
func (m *machine) fails(status int, script string, words ...string) {
	m.t.Helper()
	out, err := m.try(script)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != status {
		m.t.Errorf("%s: %v, want exit status %d\n%s", script, err, status, out)
	}
	m.wantWords(script, out, words...)
}

// says is sh whose output has words.
func (m *machine) says(script string, words ...string) {
	m.t.Helper()
	m.wantWords(script, m.sh(script), words...)
}

func (m *machine) wantWords(script, out string, words ...string) {
	m.t.Helper()
	for _, w := range words {
		if !strings.Contains(out, w) {
			m.t.Errorf("%s: %q is missing in\n%s", script, w, out)
		}
	}
}

// await runs a script again and again until it succeeds.
func (m *machine) await(what, script string) {
	m.t.Helper()
	limit := time.Now().Add(patience)
	for {
		out, err := m.try(script)
		switch {
		case err == nil:
			return
		case time.Now().After(limit):
			m.t.Fatalf("%s: not within %v: %s: %v\n%s", what, patience, script, err, out)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// put writes a file of the machine.
func (m *machine) put(path string, data []byte, mode os.FileMode) {
	m.t.Helper()
	whole := filepath.Join(m.root, path)
	if err := os.MkdirAll(filepath.Dir(whole), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(whole, data, mode), os.Chmod(whole, mode)); err != nil {
		m.t.Fatal(err)
	}
}

// inNetwork runs fn where the machine's network is. It may not look up names.
func (m *machine) inNetwork(fn func() error) error {
	done := make(chan error, 1)
	go m.enterNetwork(fn, done)
	return <-done
}

func (m *machine) enterNetwork(fn func() error, done chan<- error) {
	runtime.LockOSThread() // for good: the thread ends with this goroutine
	file, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", m.leader()))
	if err == nil {
		defer file.Close()
		err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
	}
	if err == nil {
		err = fn()
	}
	done <- err
}

// dial connects to an address of the machine.
func (m *machine) dial(address string) (conn net.Conn, err error) {
	err = m.inNetwork(func() (err error) {
		conn, err = net.DialTimeout("tcp", address, patience)
		return err
	})
	if err == nil {
		err = conn.SetDeadline(time.Now().Add(patience))
	}
	return conn, err
}

// build makes the program as a release has it.
func build(t *testing.T, flags ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tunneld")
	cmd := exec.Command("go", slices.Concat([]string{"build", "-buildvcs=false", "-o", path}, flags, []string{"tunneld/tunneld"})...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// debian returns a tree of files to boot, which is made once and kept in the
// cache folder.
func debian(t *testing.T) string {
	t.Helper()
	const name, packages = "bookworm-1", "systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,openssh-server,iproute2"
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cache = filepath.Join(cache, "tunneld-test")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	defer lock(t, filepath.Join(cache, name+".lock"))()
	tree := filepath.Join(cache, name)
	if _, err := os.Stat(tree); err == nil {
		return tree
	}
	if err := os.RemoveAll(tree + ".new"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "debootstrap", "--variant=minbase", "--include="+packages, "bookworm", tree+".new")
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("debootstrap: %v: run: scripts/deps system\n%s", err, out.Bytes()[max(0, out.Len()-2000):])
	}
	if err := os.Rename(tree+".new", tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

// lock keeps other processes from making the same tree, until unlock.
func lock(t *testing.T, path string) (unlock func()) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { file.Close() }
}
