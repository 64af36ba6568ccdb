package sshtest

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Namespace is a network namespace of its own, with loopback up and nothing
// else. Only root can make one. It ends with the test and what is in it.
type Namespace struct {
	t    testing.TB
	file *os.File
}

// NewNamespace makes a network namespace.
func NewNamespace(t testing.TB) *Namespace {
	t.Helper()
	n := &Namespace{t: t}
	n.here(func() {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Fatalf("a network namespace: %v: run as root", err)
		}
		n.file = n.open()
	})
	t.Cleanup(func() { n.file.Close() })
	n.IP("link set lo up")
	return n
}

// Do runs fn in the namespace, where the sockets and processes stay that fn
// makes; but not in goroutines of its own, nor by looking up a name.
func (n *Namespace) Do(fn func()) {
	n.t.Helper()
	n.here(func() {
		n.enter(n.file)
		fn()
	})
}

// IP runs lines of ip(8) in the namespace.
func (n *Namespace) IP(lines ...string) {
	n.t.Helper()
	n.Do(func() {
		cmd := exec.Command("ip", "-batch", "-")
		cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			n.t.Fatalf("ip: %v: %s: run: make deps", err, out)
		}
	})
}

// Cable connects n with another namespace; both ends are called name, and up.
func (n *Namespace) Cable(other *Namespace, name string) {
	n.t.Helper()
	n.IP(fmt.Sprintf("link add %s type veth peer name %s netns /proc/%d/fd/%d", name, name, os.Getpid(), other.file.Fd()), "link set "+name+" up")
	other.IP("link set " + name + " up")
}

// here runs fn on a thread that returns afterwards to where it was.
func (n *Namespace) here(fn func()) {
	n.t.Helper()
	runtime.LockOSThread() // stays so, and the thread ends, if it cannot return
	home := n.open()
	defer home.Close()
	defer func() {
		n.enter(home)
		runtime.UnlockOSThread()
	}()
	fn()
}

func (n *Namespace) open() *os.File {
	n.t.Helper()
	file, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		n.t.Fatal(err)
	}
	return file
}

func (n *Namespace) enter(where *os.File) {
	n.t.Helper()
	if err := unix.Setns(int(where.Fd()), unix.CLONE_NEWNET); err != nil {
		n.t.Fatal(err)
	}
}
