package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/control"
	"tunneld/internal/sshtest"
)

// status --wait waits for a daemon that starts late, or goes away and comes
// back, and for a server that does.
func TestStatusWaitsForTheDaemon(t *testing.T) {
	t.Parallel()
	d := sshtest.StartSSHD(t)
	p := prepareDaemon(t, map[string]string{"work": server(d)})
	out, errs, status := p.tunneld("", "status", "--wait", "300ms")
	wants(t, "no daemon in time", out, errs, status, exitNoDaemon, "no daemon answers", "hint: start one: tunneld run")

	late, outcome := p.waiting("status", "--wait", "1m")
	p.start()
	ended(t, late, outcome, 0, "work  up")

	d.Stop()
	p.observe("work", "away", func(q control.Profile) bool { return q.State != "up" })
	out, errs, status = p.tunneld("", "status", "work", "--wait", "300ms")
	wants(t, "what is not up", out, errs, status, exitNotUp, "tunneld: not up: work")
	mark := p.mark()
	again, outcome := p.waiting("status", "work", "--wait", "1m")
	p.await(mark, "a look", func(e control.Event) bool { return strings.HasPrefix(e.Detail, "GET /v1/status") })
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	d.Start()
	p.start()
	ended(t, again, outcome, 0, "work  up")
}

// A profile that is mended while somebody waits is waited for, and one that is
// removed is not.
func TestStatusWaitFollowsTheFile(t *testing.T) {
	t.Parallel()
	d := sshtest.StartSSHD(t)
	wrong := sshtest.FreeAddr(t) // nobody is there
	p := startDaemon(t, map[string]string{"work": serverAt(d, wrong), "gone": serverAt(d, wrong)})
	p.coded(0, "work", "connect_refused")
	mended, outcome := p.waiting("status", "work", "--wait", "1m")
	removed, verdict := p.waiting("status", "gone", "--wait", "1m")
	p.profile("work", server(d))
	ended(t, mended, outcome, 0, "work  up")
	if err := os.Remove(filepath.Join(p.dir, "profiles", "gone.toml")); err != nil {
		t.Fatal(err)
	}
	ended(t, removed, verdict, exitFailed, `the daemon has no profile "gone"`)
}

// waiting starts a command that does not end by itself yet, and returns it with
// what it writes.
func (p *process) waiting(args ...string) (*exec.Cmd, *strings.Builder) {
	p.t.Helper()
	cmd, out := p.program(args...), new(strings.Builder)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	return cmd, out
}

func ended(t *testing.T, cmd *exec.Cmd, out *strings.Builder, status int, want string) {
	t.Helper()
	_ = cmd.Wait() // the status says it
	if got := cmd.ProcessState.ExitCode(); got != status || !strings.Contains(out.String(), want) {
		t.Errorf("exit status %d, not %d, or no %q in\n%s", got, status, want, out)
	}
}
