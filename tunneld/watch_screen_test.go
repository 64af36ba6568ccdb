//go:build !windows

package main

import (
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tunneld/control"
	"tunneld/internal/sshtest"
)

// watched is a daemon with two forwards on a real sshd, and one that nobody
// can log in to.
func watched(t *testing.T) (p *process, d *sshtest.SSHD, local string) {
	t.Helper()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	_, wrong := sshtest.NewKey(t)
	addrs := freeAddrs(t, 2)
	p = startDaemon(t, map[string]string{
		"work": server(d) + localForward("db", addrs[0], echo.Addr) + remoteForward("hook", "127.0.0.1:0", echo.Addr),
		"edge": strings.Replace(server(d), d.ClientKey, wrong, 1) + localForward("db", addrs[1], echo.Addr),
	})
	p.observe("work", "up", isServing)
	p.observe("edge", "refused", func(q control.Profile) bool { return q.State == "refused" })
	return p, d, addrs[0]
}

// The live screen shows what status shows, follows what happens, and leaves
// the terminal as it was.
func TestLiveScreenOnATerminal(t *testing.T) {
	t.Parallel()
	p, d, local := watched(t)
	term := newPane(t, 120, 30)
	before := term.modes()
	term.runs("status --watch --config " + p.dir)
	term.shows("> edge refused", "auth_rejected, next try", "hint: add the key", " work up", " db listening", " hook listening", "? help")
	if term.modes() == before {
		t.Error("the terminal's modes are those of before")
	}
	open := dialTCP(t, local)
	stop := make(chan struct{})
	go flood(open, stop)
	term.awaits("traffic, and its picture", func(s string) bool {
		return regexp.MustCompile(`(?m)^ db listening .* 1 [0-9.]+ [kM]B/s [0-9.]+ [kM]B/s .*[▁▂▃▄▅▆▇█]$`).MatchString(s)
	})
	close(stop)
	term.shows("EVENTS")
	d.Stop()
	term.shows(" work waiting", "connect_refused, next try", " work link waiting: ")
	term.types("e")
	term.awaits("no events", func(s string) bool { return !strings.Contains(s, "EVENTS") })
	term.types("q")
	term.shows("status=0")
	if diff := cmp.Diff(before, term.modes()); diff != "" {
		t.Errorf("modes:\n%s", diff)
	}
	if s := term.screen(); !strings.Contains(s, "status --watch") || strings.Contains(s, "NAME") {
		t.Errorf("the screen of before is gone:\n%s", s)
	}
}

// flood writes to an echo and reads what comes back, until stop.
func flood(c io.ReadWriteCloser, stop <-chan struct{}) {
	defer c.Close()
	go io.Copy(io.Discard, c)
	block := make([]byte, 32<<10)
	for {
		select {
		case <-stop:
			return
		default:
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	}
}

// Restart, stop and start by key are done, and seen.
func TestLiveScreenKeys(t *testing.T) {
	p, _, local := watched(t)
	term := newPane(t, 100, 30)
	term.runs("status --watch --config " + p.dir)
	term.shows("> edge", " db listening", " hook listening")

	term.types("G", "k", "k") // work
	term.shows("> work")
	mark := p.mark()
	term.types("r")
	term.shows("restarted work")
	p.link(mark, "work", "up")

	term.types("Down", "s") // work/db
	term.shows("stopped work/db", "> db stopped", "s start")
	if !isDeaf(local) {
		t.Error("the stopped forward listens")
	}
	mark = p.mark()
	term.types("s")
	term.shows("started work/db", "> db listening", "s stop")
	p.forward(mark, "work", "db", "listening")
	ping(t, dialTCP(t, local), "started again")

	term.types("/", "ED", "Enter")
	term.awaits("edge alone", func(s string) bool {
		return strings.Contains(s, "edge") && !strings.Contains(s, "work up") && !strings.Contains(s, "hook listening")
	})
	term.types("Escape")
	term.shows(" edge", "work up", "> db listening") // the cursor is where it was
	term.types("?")
	term.shows("up, down, j, k")
	term.types("?")
	term.shows("work up")

	for _, size := range [][2]string{{"40", "10"}, {"200", "60"}, {"60", "12"}} {
		term.tmux("resize-window", "-x", size[0], "-y", size[1])
		term.awaits("the size "+size[0], func(s string) bool {
			lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
			return strings.HasPrefix(lines[0], " NAME") && strings.HasPrefix(lines[len(lines)-1], "? help")
		})
	}
}

// Ctrl-Z gives the shell its terminal, and fg the screen its.
func TestLiveScreenIsSuspended(t *testing.T) {
	t.Parallel()
	p, _, _ := watched(t)
	term := newPane(t, 80, 24)
	term.types("set -m", "Enter")
	before := term.modes()
	term.runs("status --watch work --config " + p.dir)
	term.shows("> work up")
	term.types("C-z")
	term.awaits("the shell", func(s string) bool { return strings.Contains(s, "Stopped") && !strings.Contains(s, "work up") })
	if diff := cmp.Diff(before, term.modes()); diff != "" {
		t.Errorf("modes:\n%s", diff)
	}
	term.types("fg", "Enter")
	term.shows("> work up")
	term.types("q")
	term.awaits("the shell again", func(s string) bool { return !strings.Contains(s, "work up") })
}

// However the screen ends, the terminal is as before.
func TestLiveScreenLeavesTheTerminalAsItWas(t *testing.T) {
	t.Parallel()
	p, _, _ := watched(t)
	for name, end := range map[string]func(term *pane){
		"q":      func(term *pane) { term.types("q") },
		"ctrl-c": func(term *pane) { term.types("C-c") },
		"TERM":   func(term *pane) { term.signals(syscall.SIGTERM) },
		"INT":    func(term *pane) { term.signals(syscall.SIGINT) },
	} {
		t.Run(name, func(t *testing.T) {
			term := newPane(t, 80, 24)
			before := term.modes()
			term.runs("status --watch work --config " + p.dir)
			term.awaits("one profile", func(s string) bool { return strings.Contains(s, "> work up") && !strings.Contains(s, "edge") })
			end(term)
			term.shows("status=0")
			if diff := cmp.Diff(before, term.modes()); diff != "" {
				t.Errorf("modes:\n%s", diff)
			}
		})
	}
}

// signals sends a signal to the program that runs in the pane.
func (p *pane) signals(s syscall.Signal) {
	p.t.Helper()
	shell := strings.TrimSpace(p.tmux("display-message", "-p", "#{pane_pid}"))
	out, err := exec.Command("ps", "-o", "pid=", "--ppid", shell).Output()
	if err != nil {
		p.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := syscall.Kill(pid, s); err != nil {
		p.t.Fatal(err)
	}
}

// A daemon that goes away is missed, and found again.
func TestLiveScreenFindsTheDaemonAgain(t *testing.T) {
	p, _, _ := watched(t)
	term := newPane(t, 100, 24)
	term.runs("status --watch --config " + p.dir)
	term.shows("work up")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	term.shows("the daemon is away; this was true at ", "work up")
	p.start()
	term.awaits("the daemon again", func(s string) bool { return !strings.Contains(s, "away") && strings.Contains(s, "work up") })
}

// NO_COLOR takes the colours, and only them.
func TestLiveScreenColours(t *testing.T) {
	p, _, _ := watched(t)
	for env, want := range map[string]bool{"NO_COLOR=": true, "NO_COLOR=1": false} {
		term := newPane(t, 100, 24, env)
		term.runs("status --watch --config " + p.dir)
		term.shows("> edge", "work up", "hook listening")
		if got := strings.Contains(term.coloured(), "\x1b[32m"); got != want {
			t.Errorf("%s: green is shown: %v", env, got)
		}
		if !strings.Contains(term.coloured(), "\x1b[7m") {
			t.Errorf("%s: the cursor is not marked", env)
		}
	}
}

// Where there is no live screen, it is said.
func TestLiveScreenNeedsATerminal(t *testing.T) {
	for _, args := range []string{"status --watch", "status --watch --json", "status --watch --wait 1s"} {
		_, stderr, status := command(t, strings.Fields(args)...)
		if status != exitUsage || !strings.HasPrefix(stderr, "tunneld: --watch ") || !strings.Contains(stderr, "\nhint: ") {
			t.Errorf("%s: exit status %d, %s", args, status, stderr)
		}
	}
}
