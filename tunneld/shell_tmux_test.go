//go:build !windows

package main

import (
	"fmt"
	"os"
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
		s.types("clear", "Enter")
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

// The same steps through tunneld and through ssh show the same.
func TestShellLooksLikeSSH(t *testing.T) {
	d := bare(t)
	text := filepath.Join(t.TempDir(), "text")
	var lines strings.Builder
	for i := range 200 {
		fmt.Fprintf(&lines, "line %d of a long text with \ttabs\n", i)
	}
	if err := os.WriteFile(text, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	ssh := fmt.Sprintf("ssh -F none -i %s -o IdentitiesOnly=yes -o UserKnownHostsFile=%s -p %d %s@%s; echo status=$?", d.ClientKey, d.KnownHosts, d.Port, d.User, d.Host)
	steps := []struct {
		keys []string
		want string
	}{
		{[]string{"vi -n -u NONE -N " + text, "Enter"}, "line 0 of"},
		{[]string{"100G", "ofrom here", "Escape"}, "from here"},
		{[]string{":q!", "Enter", "clear", "Enter"}, "there>"},
		{[]string{"less " + text, "Enter"}, "line 0 of"},
		{[]string{"/line 150", "Enter"}, "line 150"},
		{[]string{"q", "clear", "Enter"}, "there>"},
		{[]string{"stty -a | grep -o 'erase = [^;]*\\|-*iutf8\\|-*echo '", "Enter"}, "erase"},
		{[]string{"clear; exit 9", "Enter"}, "status=9"},
	}
	eachWay(t, d, "", func(t *testing.T, p *process) {
		ours, theirs := shellPane(t, p), shellPane(t, p)
		ours.opens("work")
		theirs.types(ssh, "Enter")
		theirs.awaits("a prompt", func(screen string) bool { return strings.ContainsAny(screen, "#") })
		theirs.types("PS1='there> '; clear", "Enter")
		theirs.awaits("the prompt", func(screen string) bool { return strings.TrimSpace(screen) == "there>" })
		for _, step := range steps {
			var screens [2]string
			for i, s := range []*pane{ours, theirs} {
				for _, keys := range step.keys {
					s.types(keys)
				}
				screens[i] = s.shows(step.want)
			}
			if strings.Contains(step.want, "status") {
				continue // the command lines differ
			}
			sshtest.Eventually(t, patience, fmt.Sprint("the same screen after ", step.keys), func() bool { return ours.screen() == theirs.screen() })
		}
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

// Nothing of a long paste is lost.
func TestPaste(t *testing.T) {
	eachWay(t, bare(t), "", func(t *testing.T, p *process) {
		s := shellPane(t, p)
		s.opens("work")
		file := filepath.Join(t.TempDir(), "pasted")
		var text strings.Builder
		for i := range 2000 {
			fmt.Fprintf(&text, "line %d of a long paste\n", i)
		}
		s.types("stty -echo; cat > "+file, "Enter")
		source := filepath.Join(t.TempDir(), "source")
		if err := os.WriteFile(source, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		s.tmux("load-buffer", source)
		s.tmux("paste-buffer", "-r")
		sshtest.Eventually(t, patience, "the paste", func() bool {
			got, _ := os.ReadFile(file)
			return string(got) == text.String()
		})
		s.types("C-d")
	})
}
