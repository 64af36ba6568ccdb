//go:build system

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/internal/sshtest"
)

// stageMSI puts what scripts/msi packs into a folder, with the program that runs
// as a service under Wine.
func stageMSI(t *testing.T, m *serviceMachine) string {
	t.Helper()
	stage := t.TempDir()
	for to, from := range map[string]string{
		"tunneld.exe": m.exe, "doc/README.md": "../README.md", "doc/CHANGELOG.md": "../CHANGELOG.md", "doc/copyright": "../go.sum",
		"completions/tunneld.ps1": "../install/install.ps1", "doc/examples/full.toml": "../examples/full.toml", "doc/examples/daemon.toml": "../examples/daemon.toml",
	} {
		data, err := os.ReadFile(from)
		path := filepath.Join(stage, to)
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return stage
}

// makeMSI makes the installer of a version, and returns its path in Windows.
func makeMSI(t *testing.T, stage, version string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), version+".msi")
	cmd := exec.Command("../scripts/msi", stage, path)
	cmd.Env = append(os.Environ(), "EPOCH=1795370346", "VERSION="+version, "VERSION_MSI="+version)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("scripts/msi: %v\n%s", err, out)
	}
	return drive(path)
}

// The MSI makes the service, its next version goes on with it, an older one is
// refused, and removing it leaves the profiles.
func TestWindowsServiceMSI(t *testing.T) {
	d, echo, m := sshtest.StartSSHD(t), sshtest.Echo(t), newServiceMachine(t)
	local := freeAddr(t)
	stage := stageMSI(t, m)
	older, newer := makeMSI(t, stage, "1.0.0"), makeMSI(t, stage, "1.0.1")
	msiexec := func(good bool, args ...string) {
		t.Helper()
		if out, status := m.try(append([]string{"msiexec", "/qn"}, args...)...); (status == 0) != good {
			t.Fatalf("msiexec %q: %d %s", args, status, out)
		}
	}
	program := m.path("Program Files/tunneld/tunneld.exe")
	m.exe = `C:\Program Files\tunneld\tunneld.exe`

	msiexec(true, "/i", older)
	for _, name := range []string{"README.md", "copyright.txt", "examples/full.toml"} {
		if _, err := os.Stat(filepath.Join(filepath.Dir(program), name)); err != nil {
			t.Error(err)
		}
	}
	if out, status := m.try("cmd", "/c", "tunneld", "service", "status"); status != exitNotUp || !strings.Contains(out, "installed, starts by itself, not running") {
		t.Errorf("by PATH: %d %s", status, out)
	}
	m.save("profiles/work.toml", onDrive(server(d))+localForward("db", local, echo.Addr))
	m.does("", "service", "start")
	m.does("", "--system", "status", "--wait", "30s")
	ping(t, dialTCP(t, local), "through the MSI's service")

	msiexec(true, "/i", newer)
	m.does("", "--system", "status", "--wait", "30s") // it was started again
	ping(t, dialTCP(t, local), "after the upgrade")
	msiexec(false, "/i", older)

	msiexec(true, "/x", newer)
	if _, err := os.Stat(program); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the program: %v", err)
	}
	if _, status := m.try("reg", "query", `HKLM\SYSTEM\CurrentControlSet\Services\tunneld`); status == 0 || m.hasEventSource() {
		t.Error("the service is still there")
	}
	if _, err := os.Stat(m.path("ProgramData/tunneld/profiles/work.toml")); err != nil {
		t.Error(err)
	}
}
