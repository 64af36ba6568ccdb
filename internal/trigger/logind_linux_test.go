package trigger

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"tunneld/internal/sshtest"
)

// privateBus is a dbus-daemon of the test's own, where anybody may be anybody.
type privateBus struct {
	t       *testing.T
	address string
	dir     string
	cmd     *exec.Cmd
}

func newBus(t *testing.T) *privateBus {
	t.Helper()
	dir, err := os.MkdirTemp("", "bus") // short: a socket's path has a limit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := &privateBus{t: t, dir: dir, address: "unix:path=" + filepath.Join(dir, "s")}
	config := `<busconfig><type>custom</type><listen>` + b.address + `</listen><auth>EXTERNAL</auth><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.end)
	b.start()
	return b
}

func (b *privateBus) start() {
	b.t.Helper()
	b.cmd = exec.Command("dbus-daemon", "--nofork", "--nopidfile", "--config-file="+filepath.Join(b.dir, "conf"))
	if err := b.cmd.Start(); err != nil {
		b.t.Fatalf("%v: run: make deps", err)
	}
}

func (b *privateBus) end() {
	if b.cmd != nil {
		b.cmd.Process.Kill()
		b.cmd.Wait()
		b.cmd = nil
	}
}

// as returns a connection that owns a name.
func (b *privateBus) as(name string) *dbus.Conn {
	b.t.Helper()
	var conn *dbus.Conn
	sshtest.Eventually(b.t, patience, "the bus answers", func() (ok bool) {
		var err error
		conn, err = dbus.Connect(b.address)
		return err == nil
	})
	b.t.Cleanup(func() { conn.Close() })
	if reply, err := conn.RequestName(name, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		b.t.Fatalf("own %s: %v, %v", name, reply, err)
	}
	return conn
}

// prepare emits what logind does before sleep, and after it.
func prepare(t *testing.T, as *dbus.Conn, sleep bool) {
	t.Helper()
	if err := as.Emit("/org/freedesktop/login1", "org.freedesktop.login1.Manager.PrepareForSleep", sleep); err != nil {
		t.Fatal(err)
	}
}

// logind tells of a wake; nobody else does; and a bus that was gone is listened
// to again.
func TestLogindTellsOfWake(t *testing.T) {
	sshtest.Leaks(t)
	b, c := newBus(t), newClock()
	events := serve(t, &Watcher{Now: c.Now, Awake: c.Awake, After: c.After, Bus: b.address})
	liar, logind := b.as("com.example.liar"), b.as("org.freedesktop.login1")
	second := func() { c.pass(time.Second) }
	wake := func() {
		prepare(t, liar, false)
		prepare(t, logind, true)
		second()
	}
	for range 50 { // while the watcher is on its way to the bus, and after
		wake()
		time.Sleep(time.Millisecond)
	}
	if len(events) > 0 {
		t.Fatalf("%+v, but nobody woke", <-events)
	}
	c.set(3 * time.Minute)
	prepare(t, logind, false)
	if e := next(t, events, second); !e.Woke || e.Slept < 2*time.Minute {
		t.Errorf("%+v, want a wake", e)
	}
	for range 10 { // slower than the clocks: known
		prepare(t, logind, false)
	}
	b.end()
	b.start()
	logind = b.as("org.freedesktop.login1")
	e := next(t, events, func() {
		second()
		prepare(t, logind, false)
	})
	if !e.Woke || e.Slept != 0 {
		t.Errorf("%+v, want a wake without a time", e)
	}
}
