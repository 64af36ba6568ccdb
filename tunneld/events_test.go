package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// listEvents runs the command with --json.
func (p *process) listEvents(args ...string) (all []control.Event) {
	p.t.Helper()
	stdout, stderr, status := command(p.t, append([]string{"events", "--json", "--config", p.dir}, args...)...)
	if status != 0 {
		p.t.Fatalf("events %q: status %d\n%s", args, status, stderr)
	}
	for line := range strings.Lines(stdout) {
		var e control.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			p.t.Fatalf("%v: %s", err, line)
		}
		all = append(all, e)
	}
	return all
}

// inOrder reports whether the messages are among the events, in this order.
func inOrder(all []control.Event, messages ...string) bool {
	for _, e := range all {
		if len(messages) > 0 && e.Message == messages[0] {
			messages = messages[1:]
		}
	}
	return len(messages) == 0
}

// follower is a command that follows the events.
type follower struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr bytes.Buffer

	mu     sync.Mutex // guards what follows
	events []control.Event
	over   chan struct{} // closed when there is no more
}

// follow runs a command that prints events as JSON.
func follow(t *testing.T, name string, args ...string) *follower {
	t.Helper()
	f := &follower{t: t, cmd: exec.Command(name, args...), over: make(chan struct{})}
	f.cmd.Stderr = &f.stderr
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go f.read(out)
	t.Cleanup(func() { f.cmd.Process.Kill(); <-f.over })
	return f
}

func (f *follower) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var e control.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			f.t.Errorf("%v: %s", err, lines.Text())
		}
		f.mu.Lock()
		f.events = append(f.events, e)
		f.mu.Unlock()
	}
	f.cmd.Wait()
	close(f.over)
}

// await waits for an event that fits.
func (f *follower) await(what string, fits func(control.Event) bool) {
	f.t.Helper()
	sshtest.Eventually(f.t, patience, what, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return slices.ContainsFunc(f.events, fits)
	})
}

// wantExit waits for the command's end.
func (f *follower) wantExit(status int, stderr string) {
	f.t.Helper()
	select {
	case <-f.over:
	case <-time.After(patience):
		f.t.Fatal("the command does not end")
	}
	if got := f.cmd.ProcessState.ExitCode(); got != status || !strings.Contains(f.stderr.String(), stderr) || (stderr == "") != (f.stderr.Len() == 0) {
		f.t.Errorf("status %d, want %d\n%s", got, status, f.stderr.String())
	}
}

// Events outlive the daemon: those from before a restart are listed after it,
// and, while no daemon runs, out of the files.
func TestEventsOutliveTheDaemon(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	p := startDaemon(t, map[string]string{"work": server(d) + localForward("db", freeAddr(t), echo.Addr)})
	p.link(0, "work", "up")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	first := p.listEvents()
	if !inOrder(first, "started", "link up", "link down", "stopped") || first[len(first)-1].Message != "stopped" {
		t.Errorf("without a daemon: %+v", first)
	}
	if info, err := os.Stat(filepath.Join(p.dir, "state/events.jsonl")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	stdout, stderr, status := command(t, "events", "work/db", "--config", p.dir)
	if status != 0 || !strings.Contains(stderr, "no daemon answers: this is from "+p.dir+"/state") || !strings.Contains(stdout, "  work/db  forward listening: ") || strings.Contains(stdout, "link") {
		t.Errorf("status %d\n%s%s", status, stdout, stderr)
	}
	if _, stderr, status := command(t, "events", "--follow", "--config", p.dir); status != 4 || !strings.Contains(stderr, "no daemon answers") {
		t.Errorf("follow: status %d\n%s", status, stderr)
	}
	restarted := time.Now()
	mark := p.mark()
	p.start()
	p.link(mark, "work", "up")
	if all := p.listEvents(); !inOrder(all, "started", "link up", "stopped", "started", "link up") || slices.ContainsFunc(all, func(e control.Event) bool { return e.Level == control.Debug }) {
		t.Errorf("after the restart: %+v", all)
	}
	if all := p.listEvents("--since", restarted.Format(time.RFC3339Nano)); inOrder(all, "stopped") || !inOrder(all, "started", "link up") {
		t.Errorf("since the restart: %+v", all)
	}
	if all := p.listEvents("--since", "1h"); !inOrder(all, "stopped", "link up") {
		t.Errorf("since an hour: %+v", all)
	}
	if all := p.listEvents("--since", "0s"); len(all) > 0 {
		t.Errorf("since now: %+v", all)
	}
	if _, stderr, status := command(t, "events", "other", "--config", p.dir); status != 0 || !strings.HasPrefix(stderr, "no events of other since ") {
		t.Errorf("status %d\n%s", status, stderr)
	}
	if _, stderr, status := command(t, "events", "--since", "yesterday", "--config", p.dir); status != 2 || !strings.Contains(stderr, "hint: see tunneld events --help") {
		t.Errorf("status %d\n%s", status, stderr)
	}
}

// Who follows sees a lost connection, a bad edit and its mending, and who did
// what, with the command and with curl alike.
func TestFollowedEvents(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	text := server(d) + localForward("db", freeAddr(t), echo.Addr)
	p := startDaemon(t, map[string]string{"work": text})
	p.link(0, "work", "up")
	followers := []*follower{
		follow(t, program, "events", "work", "-f", "--json", "--config", p.dir),
		follow(t, "curl", "-sSN", "--unix-socket", p.client().Path(), "http://tunneld/v1/events?follow=1&since=1h"),
	}
	everyone := func(what string, fits func(control.Event) bool) {
		t.Helper()
		for _, f := range followers {
			f.await(what, fits)
		}
	}
	everyone("what was before", func(e control.Event) bool { return e.State == "up" })
	d.KillConnections()
	everyone("the loss", func(e control.Event) bool { return e.Profile == "work" && e.Code == fault.ClosedByServer })
	p.replace("work", text+"tagret = 1\n")
	everyone("the bad edit", func(e control.Event) bool {
		return e.Profile == "work" && e.Code == fault.BadProfile && strings.Contains(e.Detail, "profiles/work.toml:")
	})
	p.replace("work", text)
	everyone("its mending", func(e control.Event) bool { return e.Message == "the file is in force again" })
	command(t, "down", "work", "--config", p.dir)
	everyone("who did it", func(e control.Event) bool {
		return e.Kind == "api" && strings.Contains(e.Detail, "POST /v1/profiles/work/down: 202, user ")
	})
	if err := followers[0].cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	followers[0].wantExit(0, "")
	followers[0] = follow(t, program, "events", "--follow", "--json", "--since", "0s", "--config", p.dir)
	killed := follow(t, program, "events", "-f", "--json", "--config", p.dir)
	killed.await("the start", func(e control.Event) bool { return e.Message == "started" })
	sshtest.Eventually(t, patience, "both follow", func() bool {
		command(t, "up", "work", "--config", p.dir)
		followers[0].mu.Lock()
		defer followers[0].mu.Unlock()
		return len(followers[0].events) > 0
	})
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	everyone("the end", func(e control.Event) bool { return e.Message == "stopped" })
	followers[0].wantExit(1, "tunneld: the daemon stopped\n")
	followers[1].wantExit(0, "")
	killed.wantExit(1, "tunneld: the daemon stopped\n")
}

// A daemon that is killed is an error for those who follow it.
func TestFollowedDaemonIsKilled(t *testing.T) {
	p := startDaemon(t, nil)
	p.await(0, "answering", func(e control.Event) bool { return e.Message == "answering" })
	f := follow(t, program, "events", "-f", "--json", "--config", p.dir)
	f.await("the start", func(e control.Event) bool { return e.Message == "answering" })
	p.cmd.Process.Kill()
	f.wantExit(1, "tunneld: the daemon broke off\n")
}

// What people read: whose it is, what happened, and what to do.
func TestEventsForPeople(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.Local)
	var out bytes.Buffer
	l := &eventLister{out: &out}
	for _, e := range []control.Event{
		{Time: at, Level: control.Info, Kind: "daemon", Message: "started", Detail: "/etc/tunneld"},
		{Time: at, Level: control.Warn, Kind: "link", Profile: "work", State: "waiting", Message: "link waiting", Code: fault.ConnectRefused, Detail: "dial \x1b[2Jtcp", Hint: "check server.port"},
		{Time: at, Level: control.Info, Kind: "forward", Profile: "work", Forward: "db", Message: "forward listening", Detail: "a\nb", Repeats: 3},
	} {
		l.print(e)
	}
	want := `2026-11-22 10:00:00  daemon  started: /etc/tunneld
2026-11-22 10:00:00  work    link waiting: connect_refused: dial  [2Jtcp
        hint: check server.port
2026-11-22 10:00:00  work/db  forward listening: a ... (3 repeats before)
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
	out.Reset()
	l = &eventLister{out: &out, profile: "wo*", forward: "d*"}
	l.print(control.Event{Profile: "work", Forward: "db", Message: "this"})
	l.print(control.Event{Profile: "work", Message: "not this"})
	l.print(control.Event{Profile: "other", Forward: "db", Message: "nor this"})
	if l.shown != 1 || !strings.Contains(out.String(), "work/db  this") {
		t.Errorf("got %s", &out)
	}
}
