//go:build !windows

package main

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tunneld/internal/sshtest"
)

// shellPane is a terminal with a shell on the server in it.
func shellPane(t *testing.T, p *process) *pane {
	t.Helper()
	s := newPane(t, 80, 24, "TUNNELD_CONFIG="+p.dir)
	s.types("PS1='here> '; clear", "Enter")
	s.shows("here>")
	return s
}

// opens opens the shell, and waits until the server's prompt is there.
func (p *pane) opens(args string) {
	p.t.Helper()
	p.runs("shell " + args)
	p.awaits("a prompt of the server", func(screen string) bool {
		lines := strings.Split(strings.TrimSpace(screen), "\n")
		return !strings.HasPrefix(lines[len(lines)-1], "here>") && strings.ContainsAny(lines[len(lines)-1], "#$")
	})
	p.types("PS1='there> '; clear", "Enter")
	p.awaits("the prompt", func(screen string) bool { return strings.TrimSpace(screen) == "there>" })
}

// sleeper is a program that says when it has the terminal: keys that come before
// are the shell's.
func sleeper(name string) string {
	return "sh -c 'echo " + name + " $0; exec sleep 1000' sleeps"
}

func TestShell(t *testing.T) {
	eachWay(t, bare(t), "", func(t *testing.T, p *process) {
		s := shellPane(t, p)
		before := s.modes()
		s.opens("work")

		s.types("echo $TERM; stty size; printf '\\303\\244\\342\\202\\254 %s\\n' bytes", "Enter")
		s.shows("24 80", "ä€ bytes")
		s.types(sleeper("first"), "Enter")
		s.shows("first sleeps")
		s.types("C-c")
		s.types("echo in$((1+1))terrupted", "Enter")
		s.shows("in2terrupted")
		s.types(sleeper("second"), "Enter")
		s.shows("second sleeps")
		s.types("C-z")
		s.shows("Stopped")
		s.types("kill %1; clear", "Enter")

		for _, size := range [][2]string{{"100", "30"}, {"60", "15"}, {"80", "24"}, {"132", "43"}} { // a storm
			s.tmux("resize-window", "-x", size[0], "-y", size[1])
		}
		s.types("clear; stty size", "Enter")
		s.awaits("the last size", func(screen string) bool {
			if strings.Contains(screen, "43 132") {
				return true
			}
			s.types("stty size", "Enter")
			return false
		})
		s.types("clear; echo em$((1+1))pty", "Enter")
		s.shows("em2pty") // what comes from here would be cleared, too
		s.types("~?")
		s.shows("end the session", "suspend")
		s.types("Enter")
		s.types("~~tilde", "Enter")
		s.shows("~tilde: ")
		s.types("~#")
		s.shows("NAME STATE")
		s.types("Enter")
		s.types("clear; exit 3", "Enter")
		s.shows("status=3", "here>")
		s.tmux("resize-window", "-x", "80", "-y", "24")
		sshtest.Eventually(t, patience, "the modes from before", func() bool { return s.modes() == before })
	})
}

// A shell that ends for another reason than its own says so, and gives the
// terminal back.
func TestShellLeavesTheTerminalAsItWas(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(t *testing.T, d *sshtest.SSHD, p *process, s *pane)
		want []string
		ways string
	}{
		"connection": {func(_ *testing.T, d *sshtest.SSHD, _ *process, _ *pane) { d.KillConnections() }, []string{"tunneld: closed_by_server", "status=255"}, "daemon alone"},
		"silence":    {func(_ *testing.T, d *sshtest.SSHD, _ *process, _ *pane) { d.Pause(false) }, []string{"tunneld: keepalive_lost", "hint: ", "status=255"}, "daemon alone"},
		"daemon":     {func(_ *testing.T, _ *sshtest.SSHD, p *process, _ *pane) { p.cmd.Process.Kill() }, []string{"tunneld: the daemon at", "status=255"}, "daemon"},
		"down": {func(t *testing.T, _ *sshtest.SSHD, p *process, _ *pane) {
			if out, err := p.program("down", "work").CombinedOutput(); err != nil {
				t.Fatalf("%v %s", err, out)
			}
		}, []string{"work was stopped", "status=255"}, "daemon"},
		"stop":      {func(_ *testing.T, _ *sshtest.SSHD, p *process, _ *pane) { p.stop() }, []string{"the daemon is stopping", "status=255"}, "daemon"},
		"escape":    {func(_ *testing.T, _ *sshtest.SSHD, _ *process, s *pane) { s.types("Enter", "~.") }, []string{"tunneld: disconnected", "status=255"}, "daemon alone"},
		"terminate": {func(t *testing.T, _ *sshtest.SSHD, _ *process, s *pane) { s.kills("TERM", "TERM") }, []string{"status=143"}, "daemon alone"},
		"hang up":   {func(t *testing.T, _ *sshtest.SSHD, _ *process, s *pane) { s.kills("HUP") }, []string{"status=129"}, "daemon alone"},
	} {
		t.Run(name, func(t *testing.T) {
			d := bare(t)
			eachWay(t, d, "", func(t *testing.T, p *process) {
				if !strings.Contains(c.ways, filepath.Base(t.Name())) {
					t.Skip("there is no daemon")
				}
				s := shellPane(t, p)
				before := s.modes()
				s.opens("work")
				c.end(t, d, p, s)
				s.shows(append(c.want, "here>")...)
				if after := s.modes(); after != before {
					t.Errorf("the terminal was\n%s\nand is\n%s", before, after)
				}
			})
		})
	}
}

// kills sends signals to the program that runs in the terminal.
func (p *pane) kills(names ...string) {
	p.t.Helper()
	out, err := exec.Command("ps", "-t", strings.TrimPrefix(p.tty, "/dev/"), "-o", "pid=,args=").Output()
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if fields[1] != program {
			continue
		}
		if _, err := strconv.Atoi(fields[0]); err != nil {
			p.t.Fatal(err)
		}
		for _, name := range names {
			exec.Command("kill", "-"+name, fields[0]).Run()
		}
		return
	}
	p.t.Fatalf("no program in\n%s", out)
}

// A suspended shell leaves the terminal to the one that suspended it, and goes on
// with the size that is there then.
func TestShellSuspends(t *testing.T) {
	t.Parallel()
	eachWay(t, bare(t), "", func(t *testing.T, p *process) {
		s := shellPane(t, p)
		before := s.modes()
		s.opens("work")
		raw := s.modes()
		s.types("Enter", "~", "C-z")
		s.shows("shell work", "\nhere>") // the line of the job
		if now := s.modes(); now != before {
			t.Errorf("the terminal was\n%s\nand is\n%s", before, now)
		}
		s.tmux("resize-window", "-x", "90", "-y", "28")
		s.types("clear; fg", "Enter")
		s.shows("shell work")
		s.types("Enter", "clear; stty size", "Enter")
		s.shows("28 90", "there>")
		s.tmux("resize-window", "-x", "80", "-y", "24")
		sshtest.Eventually(t, patience, "the modes of the shell", func() bool { return s.modes() == raw })
		s.types("exit 4", "Enter")
		s.shows("logout\nhere>")
		s.types("echo again=$?", "Enter")
		s.shows("again=4")
	})
}

// The escape character may be another, or none.
func TestShellEscapeCharacter(t *testing.T) {
	t.Parallel()
	eachWay(t, bare(t), "", func(t *testing.T, p *process) {
		s := shellPane(t, p)
		s.opens("-e none work")
		s.types("Enter", "~.", "Enter")
		s.shows("~.: ") // the shell's own words about it
		s.types("clear; exit 5", "Enter")
		s.shows("status=5")
		s.types("clear", "Enter")
		s.opens("--escape '^B' work")
		s.types("Enter", "~.", "Enter")
		s.shows("~.: ")
		s.types("C-b", "?")
		s.shows("^B. end the session")
		s.types("C-b", ".")
		s.shows("tunneld: disconnected", "status=255")
	})
}
