package sshtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/godbus/dbus/v5"
)

// busConfig lets anybody be anybody, dbus-daemon(1).
const busConfig = `<busconfig><type>custom</type><listen>%s</listen><auth>EXTERNAL</auth><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`

// Bus is a real dbus-daemon, in the place of the system's.
type Bus struct {
	Address string // what DBUS_SYSTEM_BUS_ADDRESS would hold

	t      testing.TB
	dir    string
	cmd    *exec.Cmd // nil while stopped
	exited chan struct{}
}

// NewBus starts a bus.
func NewBus(t testing.TB) *Bus {
	t.Helper()
	dir, err := os.MkdirTemp("", "bus") // short: a socket's path has a limit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := &Bus{Address: "unix:path=" + filepath.Join(dir, "s"), t: t, dir: dir}
	writeFile(t, filepath.Join(dir, "conf"), fmt.Appendf(nil, busConfig, b.Address))
	t.Cleanup(b.Stop)
	b.Start()
	return b
}

// Start runs the bus again after Stop, at the same address.
func (b *Bus) Start() {
	b.t.Helper()
	b.cmd = exec.Command("dbus-daemon", "--nofork", "--nopidfile", "--config-file="+filepath.Join(b.dir, "conf"))
	b.cmd.SysProcAttr = endWithParent()
	if err := b.cmd.Start(); err != nil {
		b.t.Fatalf("%v: run: make deps", err)
	}
	b.exited = make(chan struct{})
	go reap(b.cmd, b.exited)
	Eventually(b.t, startTimeout, "the bus answers", func() bool {
		c, err := dbus.Connect(b.Address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// Stop ends the bus and every connection to it.
func (b *Bus) Stop() {
	if b.cmd == nil {
		return
	}
	b.cmd.Process.Kill()
	<-b.exited
	b.cmd = nil
}

// Login is a stand-in for logind on the bus, under a name: any but
// org.freedesktop.login1 is an impostor's. It returns what tells of sleep: with
// true before it, with false after it.
func (b *Bus) Login(name string) (prepareForSleep func(sleep bool)) {
	b.t.Helper()
	c, err := dbus.Connect(b.Address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	if reply, err := c.RequestName(name, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		b.t.Fatalf("own %s: %v, %v", name, reply, err)
	}
	return func(sleep bool) {
		if err := c.Emit("/org/freedesktop/login1", "org.freedesktop.login1.Manager.PrepareForSleep", sleep); err != nil {
			b.t.Fatal(err)
		}
	}
}

// Logind is the name of the real one.
const Logind = "org.freedesktop.login1"
