//go:build !windows

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tunneld/internal/sshtest"
)

// besideSSH are two terminals with a shell on the same server: one opened by the
// built program, one by ssh.
type besideSSH struct {
	t     *testing.T
	panes [2]*pane
}

func newBesideSSH(t *testing.T, d *sshtest.SSHD, p *process) besideSSH {
	t.Helper()
	ours, theirs := shellPane(t, p), shellPane(t, p)
	ours.opens("work")
	theirs.types(fmt.Sprintf("ssh -F none -i %s -o IdentitiesOnly=yes -o UserKnownHostsFile=%s -p %d %s@%s; echo status=$?", d.ClientKey, d.KnownHosts, d.Port, d.User, d.Host), "Enter")
	theirs.awaits("a prompt", func(screen string) bool { return strings.ContainsAny(screen, "#") })
	theirs.types("PS1='there> '; clear", "Enter")
	theirs.awaits("the prompt", func(screen string) bool { return strings.TrimSpace(screen) == "there>" })
	return besideSSH{t, [2]*pane{ours, theirs}}
}

// each does the same in both terminals.
func (b besideSSH) each(do func(*pane)) {
	for _, p := range b.panes {
		do(p)
	}
}

// shows types keys in both terminals, and waits until both show the
// words, and else the same but for numbers.
func (b besideSSH) shows(words string, keys ...string) {
	b.t.Helper()
	b.each(func(p *pane) {
		p.types(keys...)
		p.shows(words)
	})
	b.same(fmt.Sprintf("the same screen after %q", keys), func() {})
}

// settles is shows where the keys are typed until it is so: a terminal may take
// its time to tell of its size.
func (b besideSSH) settles(words string, keys ...string) {
	b.t.Helper()
	b.same(fmt.Sprintf("%q after %q", words, keys), func() {
		b.each(func(p *pane) { p.types(keys...) })
	}, words)
}

// same waits until both show the same, and the words.
func (b besideSSH) same(what string, first func(), words ...string) {
	b.t.Helper()
	var ours, theirs string
	defer func() {
		if b.t.Failed() {
			b.t.Logf("tunneld shows\n%s\nand ssh\n%s", ours, theirs)
		}
	}()
	sshtest.Eventually(b.t, patience, what, func() bool {
		first()
		ours, theirs = b.panes[0].numberless(), b.panes[1].numberless()
		for _, w := range words {
			if !strings.Contains(b.panes[0].screen(), w) || !strings.Contains(b.panes[1].screen(), w) {
				return false
			}
		}
		return ours == theirs
	})
}

// numberless is the screen and what programs switch on and off in the emulator.
func (p *pane) numberless() string {
	return numbers.ReplaceAllString(p.screen()+p.switches(), "#")
}

var numbers = regexp.MustCompile(`[0-9]+`)

// longText is a file of many lines.
func longText(t *testing.T, n int) (path, text string) {
	t.Helper()
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "line %d of a long text with \ttabs, ä and 漢\n", i)
	}
	path = filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, lines.String()
}

// Programs that fill the screen.
func TestScreensAreAsWithSSH(t *testing.T) {
	t.Parallel()
	d := bare(t)
	text, _ := longText(t, 200)
	eachWay(t, d, "", func(t *testing.T, p *process) {
		b := newBesideSSH(t, d, p)
		b.shows("iutf8", "stty -a; echo $TERM", "Enter")
		b.shows("there>", "clear", "Enter")
		b.shows("line 0 of", "vi -n -u NONE -N "+text, "Enter")
		b.shows("from here", "100G", "ofrom here", "Escape")
		for _, size := range [][2]string{{"100", "30"}, {"60", "15"}, {"20", "5"}, {"132", "43"}, {"90", "28"}} { // a storm
			b.each(func(p *pane) { p.tmux("resize-window", "-x", size[0], "-y", size[1]) })
		}
		b.settles("line 99", "Escape", "100G", "z.")
		b.shows("there>", ":q!", "Enter", "clear", "Enter")
		b.settles("28 90", "clear; stty size", "Enter")
		b.shows("line 0 of", "LESSCHARSET=utf-8 less "+text, "Enter")
		b.shows("line 150", "/line 150", "Enter")
		b.shows("there>", "q", "clear", "Enter")
		b.shows("load average", "top -d 1 -p 1", "Enter")
		b.shows("PID USER", "t", "m")
		b.shows("there>", "q", "clear", "Enter")
		b.each(func(p *pane) { p.types("exit 9", "Enter"); p.shows("status=9") })
	})
}

// Jobs, interrupts and ends of input.
func TestJobsAreAsWithSSH(t *testing.T) {
	t.Parallel()
	d := bare(t)
	eachWay(t, d, "", func(t *testing.T, p *process) {
		b := newBesideSSH(t, d, p)
		b.shows("first sleeps", sleeper("first"), "Enter")
		b.shows("Stopped", "C-z")
		b.shows("&", "bg", "Enter")
		b.shows("Running", "jobs", "Enter")
		b.shows("exec sleep", "clear; fg", "Enter")
		b.shows("^C", "C-c")
		b.shows("130", "echo $?", "Enter")
		b.shows("second sleeps", sleeper("second"), "Enter")
		b.shows("Quit", `C-\`)
		b.shows("[1]", "clear; sleep 1000 &", "Enter")
		b.shows("Terminated", "kill %1; wait", "Enter")
		b.shows("there>", "clear", "Enter")
		b.shows("fourth reads", "sh -c 'echo fourth $0; cat; echo over' reads", "Enter")
		b.shows("words\nwords", "words", "Enter")
		b.shows("over", "C-d")
		b.shows("half a line", "half a line")
		b.shows("half a line^C", "C-c")
		b.shows("äöü 漢字 €", "echo äöü 漢字 €", "Enter")
		b.shows("bytes", `printf '\377\200 bytes\n\033[1mbold\033[m\a\n'`, "Enter")
		b.shows("there> and on", "clear", "Enter", "echo stopped", "C-s", "C-q", "C-u", "and on")
		b.each(func(p *pane) { p.types("C-u", "C-d"); p.shows("status=") })
	})
}

// Nothing of a long paste is lost, whether a program knows that it is one or not.
func TestPastesAreAsWithSSH(t *testing.T) {
	t.Parallel()
	d := bare(t)
	source, text := longText(t, 2000)
	eachWay(t, d, "", func(t *testing.T, p *process) {
		b := newBesideSSH(t, d, p)
		plain := filepath.Join(t.TempDir(), "plain")
		for i, s := range b.panes {
			s.types(fmt.Sprintf("stty -echo; cat > %s%d", plain, i), "Enter")
			s.tmux("load-buffer", source)
			s.tmux("paste-buffer", "-r")
			s.pasted(fmt.Sprint(plain, i), text)
			s.types("C-d", "stty echo; clear", "Enter")
			s.awaits("the prompt", func(screen string) bool { return strings.TrimSpace(screen) == "there>" })
		}

		marked := filepath.Join(t.TempDir(), "marked")
		for i, s := range b.panes {
			file := fmt.Sprint(marked, i)
			command := filepath.Join(t.TempDir(), "command")
			whole := "cat > " + file + " <<'END'\n" + strings.ReplaceAll(text, "\t", " ") + "END"
			if err := os.WriteFile(command, []byte(whole), 0o600); err != nil {
				t.Fatal(err)
			}
			s.tmux("load-buffer", command)
			s.tmux("paste-buffer", "-p", "-r")
		}
		b.shows("END")
		for i, s := range b.panes {
			if _, err := os.Stat(fmt.Sprint(marked, i)); err == nil {
				t.Error("the shell did not wait for Enter")
			}
			s.types("Enter")
			s.pasted(fmt.Sprint(marked, i), strings.ReplaceAll(text, "\t", " "))
		}
	})
}

// pasted waits until a file has the text.
func (p *pane) pasted(path, text string) {
	p.t.Helper()
	p.awaits("the paste", func(string) bool {
		got, _ := os.ReadFile(path)
		return string(got) == text
	})
}
