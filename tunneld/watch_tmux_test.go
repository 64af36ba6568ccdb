//go:build !windows

package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"tunneld/internal/sshtest"
)

// pane is a terminal of tmux with a shell in it: a terminal emulator that is
// not ours says what a person would see.
type pane struct {
	t   *testing.T
	dir string // of tmux's socket
	tty string
}

func newPane(t *testing.T, width, height int, env ...string) *pane {
	t.Helper()
	p := &pane{t: t, dir: t.TempDir()}
	args := []string{"-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height)}
	for _, e := range append([]string{"SSH_AUTH_SOCK=", "ENV=", raceOptions}, env...) {
		args = append(args, "-e", e)
	}
	p.tmux(append(args, "sh")...)
	t.Cleanup(func() { p.tmux("kill-server") })
	p.tty = strings.TrimSpace(p.tmux("display-message", "-p", "#{pane_tty}"))
	p.awaits("the shell", func(screen string) bool { return strings.TrimSpace(screen) != "" })
	return p
}

func (p *pane) tmux(args ...string) string {
	p.t.Helper()
	cmd := exec.Command("tmux", args...)
	cmd.Env = append(os.Environ(), "TMUX_TMPDIR="+p.dir, "TMUX=", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// screen is what the terminal shows, with one blank for many.
func (p *pane) screen() string {
	p.t.Helper()
	return blanks.ReplaceAllString(p.tmux("capture-pane", "-p"), " ")
}

var blanks = regexp.MustCompile(` +`)

// coloured is the screen with the codes of its colours.
func (p *pane) coloured() string {
	p.t.Helper()
	return p.tmux("capture-pane", "-p", "-e")
}

// types sends keys, by tmux's names for them.
func (p *pane) types(keys ...string) {
	p.t.Helper()
	p.tmux(append([]string{"send-keys"}, keys...)...)
}

// runs types a command line of the built program.
func (p *pane) runs(args string) {
	p.t.Helper()
	p.types(program+" "+args+"; echo status=$?", "Enter")
}

// awaits waits until the screen fits, and returns it.
func (p *pane) awaits(what string, fits func(screen string) bool) string {
	p.t.Helper()
	var last string
	defer func() {
		if p.t.Failed() {
			p.t.Logf("the screen, waiting for %s:\n%s", what, last)
		}
	}()
	sshtest.Eventually(p.t, patience, what, func() bool {
		last = p.screen()
		return fits(last)
	})
	return last
}

// shows waits until the screen has every text.
func (p *pane) shows(texts ...string) string {
	p.t.Helper()
	return p.awaits(strings.Join(texts, ", "), func(screen string) bool {
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
}

// modes are the settings of the terminal: those of its line, and what programs
// switch on and off in the emulator.
func (p *pane) modes() string {
	p.t.Helper()
	cmd := exec.Command("stty", "-a")
	line, err := os.Open(p.tty)
	if err != nil {
		p.t.Fatal(err)
	}
	defer line.Close()
	cmd.Stdin = line
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatal(err)
	}
	return string(out) + p.switches()
}

// switches are what programs switch on and off in the emulator.
func (p *pane) switches() string {
	p.t.Helper()
	return p.tmux("display-message", "-p", "alternate=#{alternate_on} cursor=#{cursor_flag} keypad=#{keypad_flag} "+
		"cursorkeys=#{keypad_cursor_flag} mouse=#{mouse_any_flag} wrap=#{wrap_flag} insert=#{insert_flag} origin=#{origin_flag} bracket=#{bracket_paste_flag}")
}
