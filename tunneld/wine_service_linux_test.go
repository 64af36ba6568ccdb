//go:build system

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/internal/sshtest"
)

// serviceMachine is a Windows, played by Wine, that has the program and nothing else.
type serviceMachine struct {
	t *testing.T
	*wine
}

func newServiceMachine(t *testing.T) *serviceMachine {
	t.Helper()
	dir, err := os.MkdirTemp("", "service") // t.TempDir would be removed under Wine's hands
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w, err := newWine(dir, "-tags", "system")
	if err != nil {
		t.Fatal(err)
	}
	m := &serviceMachine{t, w}
	m.begin()
	t.Cleanup(m.finish)
	return m
}

func (m *serviceMachine) finish() {
	m.end()
	if m.t.Failed() {
		m.t.Logf("the service's log:\n%s", m.log())
	}
}

// path is where something of drive C is here.
func (m *serviceMachine) path(name string) string { return filepath.Join(m.prefix, "drive_c", name) }

// try runs a program of Windows to its end. Output goes to a file: Wine's servers
// would keep a pipe open.
func (m *serviceMachine) try(args ...string) (out string, status int) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	f, err := os.CreateTemp(m.t.TempDir(), "out")
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	run := m.run("wine", args...)
	cmd := exec.CommandContext(ctx, run.Path, run.Args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = run.Env, f, f
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		m.t.Fatal(err)
	}
	text, err := os.ReadFile(f.Name())
	if err != nil {
		m.t.Fatal(err)
	}
	return string(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))), cmd.ProcessState.ExitCode()
}

// does runs the program, which must succeed and say what is wanted.
func (m *serviceMachine) does(want string, args ...string) string {
	m.t.Helper()
	out, status := m.try(append([]string{m.exe}, args...)...)
	if status != 0 || !strings.Contains(out, want) {
		m.t.Fatalf("%q: %d %s", args, status, out)
	}
	return out
}

// log is the service's own.
func (m *serviceMachine) log() string {
	text, _ := os.ReadFile(m.path("ProgramData/tunneld/logs/tunneld.log")) // there is none at first
	return string(text)
}

// save writes a file of the machine's configuration.
func (m *serviceMachine) save(name, text string) {
	m.t.Helper()
	if err := os.WriteFile(m.path("ProgramData/tunneld/"+name), []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *serviceMachine) logs(what string) {
	m.t.Helper()
	sshtest.Eventually(m.t, patience, "in the log: "+what, func() bool { return strings.Contains(m.log(), what) })
}

// source tells whether the Event Log knows the service.
func (m *serviceMachine) hasEventSource() bool {
	_, status := m.try("reg", "query", `HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\tunneld`, "/v", "EventMessageFile")
	return status == 0
}

// The life of the Windows service: installed twice, started, used, edited,
// restarted, stopped with a client that stays, by Windows' own tools too, and
// uninstalled, which leaves the profiles.
func TestWindowsService(t *testing.T) {
	d, echo, m := sshtest.StartSSHD(t), sshtest.Echo(t), newServiceMachine(t)
	local, added := freeAddr(t), freeAddr(t)
	if out, status := m.try(m.exe, "service", "status"); status != exitNotUp || !strings.Contains(out, "not installed") {
		t.Errorf("before: %d %s", status, out)
	}
	if out, status := m.try(m.exe, "service", "start"); status != 1 || !strings.Contains(out, "hint: tunneld service install") {
		t.Errorf("start before install: %d %s", status, out)
	}
	m.does(`as NT SERVICE\tunneld`, "service", "install")
	m.does("is there already", "service", "install")
	if out, status := m.try(m.exe, "service", "status"); status != exitNotUp || !strings.Contains(out, "installed, starts by itself, not running") {
		t.Errorf("installed: %d %s", status, out)
	}
	if !m.hasEventSource() {
		t.Error("the Event Log does not know the service")
	}

	text := onDrive(server(d)) + localForward("db", local, echo.Addr)
	m.save("profiles/work.toml", text)
	m.does("", "service", "start")
	m.does("", "service", "start") // again: it stays
	m.does("running: as NT SERVICE", "service", "status")
	m.does("", "--system", "status", "--wait", "30s")
	ping(t, dialTCP(t, local), "through the service")

	d.KillConnections()
	m.does("", "--system", "status", "--wait", "30s")
	ping(t, dialTCP(t, local), "after the kill")

	m.save("profiles/work.toml", text+localForward("added", added, echo.Addr))
	m.logs("forward=added")
	m.does("", "--system", "reload")
	ping(t, dialTCP(t, added), "after the edit")

	m.does("", "service", "restart")
	m.does("", "--system", "status", "--wait", "30s")
	client := dialTCP(t, local)
	ping(t, client, "after the restart")
	m.does("", "service", "stop") // the client stays, and is cut in the end
	if _, err := client.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the client was not cut:", err)
	}
	m.logs("message=stopped")

	if out, status := m.try("net", "start", "tunneld"); status != 0 {
		t.Fatalf("net start: %d %s", status, out)
	}
	m.does("", "--system", "status", "--wait", "30s")
	ping(t, dialTCP(t, local), "started by Windows")
	if out, status := m.try("net", "stop", "tunneld"); status != 0 {
		t.Fatalf("net stop: %d %s", status, out)
	}
	m.does("", "service", "start")
	m.does("stays", "service", "uninstall") // stops it
	m.does("not installed", "service", "uninstall")
	if m.hasEventSource() {
		t.Error("the Event Log still knows the service")
	}
	if _, err := os.Stat(m.path("ProgramData/tunneld/profiles/work.toml")); err != nil {
		t.Error(err)
	}
}

// A service that cannot begin says so to who starts it, and in its log.
func TestWindowsServiceFails(t *testing.T) {
	m := newServiceMachine(t)
	m.does("", "service", "install")
	if err := os.WriteFile(m.path("ProgramData/tunneld/daemon.toml"), []byte("socket = 'C:/no/pipe'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, status := m.try(m.exe, "service", "start")
	if status != 1 || !strings.Contains(out, "exit code 1") || !strings.Contains(out, "Event Log") {
		t.Errorf("start: %d %s", status, out)
	}
}
