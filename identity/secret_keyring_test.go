//go:build linux

package identity_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"tunneld/identity"
	"tunneld/internal/sshtest"
)

// bus is a D-Bus session with an unlocked keyring, which ends with its shell.
const bus = `
set -e
printf login | gnome-keyring-daemon --unlock --components=secrets >/dev/null
printf %s "$TEST_SECRET" | secret-tool store --label=test service tunneld username work
exec "$0" -test.run='^TestKeyringInside$' -test.v
`

// A real Secret Service: gnome-keyring on a D-Bus of its own. The reader is
// this test program again, since its bus is chosen once per process.
func TestKeyring(t *testing.T) {
	sshtest.Leaks(t)
	home := t.TempDir()
	cmd := exec.Command("dbus-run-session", "--", "sh", "-c", bus, os.Args[0])
	cmd.Env = append(os.Environ(), "TEST_SECRET="+hidden, "HOME="+home, "XDG_DATA_HOME="+home, "XDG_RUNTIME_DIR="+home)
	cmd.WaitDelay = time.Second // the keyring's daemon may outlive its bus for a moment
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestKeyringInside") {
		t.Errorf("%v (run: make deps): %s", err, out)
	}
}

// TestKeyringInside runs as the child of TestKeyring.
func TestKeyringInside(t *testing.T) {
	if os.Getenv("TEST_SECRET") == "" {
		return // there is no keyring here
	}
	s := identity.Source{Getenv: os.Getenv}
	got, err := s.Resolve(t.Context(), "keyring:work")
	if err != nil || string(got) != os.Getenv("TEST_SECRET") {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := s.Resolve(t.Context(), "keyring:other"); err == nil || !strings.Contains(err.Error(), "no other") {
		t.Errorf("a name that is not there: %v", err)
	}
}

// A bus that accepts and says nothing must not hold a login up.
func TestKeyringThatHangs(t *testing.T) {
	if os.Getenv("TEST_SILENT_BUS") != "" {
		s := identity.Source{Getenv: os.Getenv, Limit: 200 * time.Millisecond}
		if _, err := s.Resolve(t.Context(), "keyring:work"); err == nil || !strings.Contains(err.Error(), "within 200ms") {
			t.Errorf("%v", err)
		}
		return
	}
	sshtest.Leaks(t)
	socket := silentSocket(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestKeyringThatHangs$")
	cmd.Env = append(os.Environ(), "TEST_SILENT_BUS=1", "DBUS_SESSION_BUS_ADDRESS=unix:path="+socket)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
