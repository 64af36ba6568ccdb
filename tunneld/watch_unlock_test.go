//go:build !windows

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"tunneld/control"
	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
)

// asking is a daemon with a profile that waits for a code, 1234, and one that
// waits for trust.
func asking(t *testing.T) *process {
	t.Helper()
	srv := &sshserver.Server{KeyboardInteractive: func(_ string, ask ssh.KeyboardInteractiveChallenge) error {
		answers, err := ask("", "", []string{"Code:"}, []bool{false})
		if err == nil && answers[0] != "1234" {
			err = errors.New("wrong")
		}
		return err
	}}
	sshtest.Serve(t, srv)
	host, port, _ := strings.Cut(srv.Addr(), ":")
	knows := func(file string) string {
		return "server = { host = '" + host + "', port = " + port + ", user = 'ana', ssh_config = 'none' }\n" +
			"auth = { agent = 'none', methods = ['keyboard-interactive'] }\n" +
			"host_key.known_hosts = ['" + file + "']\n"
	}
	p := startDaemon(t, map[string]string{
		"code": knows(sshtest.KnownHosts(t, srv.Addr(), srv.HostKeys()...)),
		"new":  knows(filepath.Join(t.TempDir(), "known_hosts")),
	})
	p.link(0, "code", "blocked")
	p.link(0, "new", "blocked")
	return p
}

// u holds the conversation of unlock or trust on the terminal, and the screen
// comes back however that ends.
func TestLiveScreenUnlocks(t *testing.T) {
	p := asking(t)
	term := newPane(t, 100, 24)
	term.runs("status --watch --config " + p.dir)
	term.shows("> code blocked", " new blocked")
	screen := term.modes()

	term.types("u")
	term.shows("(ana@127.0.0.1) Code:")
	term.types("C-c")
	term.shows("tunneld: interrupted", "Enter goes back to the screen")
	term.types("Enter")
	term.shows("> code blocked")

	term.types("u")
	term.awaits("the second question", func(s string) bool { return strings.Count(s, "(ana@127.0.0.1) Code:") == 2 })
	term.types("1234", "Enter")
	term.shows("> code up", " new blocked")

	term.types("j", "u")
	term.shows("Is that the fingerprint")
	term.types("yes", "Enter")
	term.awaits("trust", func(s string) bool { return strings.Contains(s, "> new blocked") && strings.Contains(s, "needs_code") })
	if diff := cmp.Diff(screen, term.modes()); diff != "" {
		t.Errorf("modes of the screen:\n%s", diff)
	}
}

// The end of the program in the middle of a question leaves the terminal as it
// was.
func TestLiveScreenEndsWhileItAsks(t *testing.T) {
	p := asking(t)
	term := newPane(t, 100, 24)
	before := term.modes()
	term.runs("status --watch --config " + p.dir)
	term.shows("> code blocked")
	term.types("u")
	term.shows("(ana@127.0.0.1) Code:")
	term.signals(syscall.SIGTERM)
	term.shows("status=0")
	if diff := cmp.Diff(before, term.modes()); diff != "" {
		t.Errorf("modes:\n%s", diff)
	}
}

// What does not change is not drawn again.
func TestLiveScreenDrawsOnlyChanges(t *testing.T) {
	t.Parallel()
	d := sshtest.StartSSHD(t)
	p := startDaemon(t, map[string]string{"off": "enabled = false\n" + server(d)})
	p.await(0, "the API", func(e control.Event) bool { return e.Kind == "api" })
	term := newPane(t, 80, 24)
	term.runs("status --watch --config " + p.dir + " off")
	term.shows("> off disabled")
	p.awaitLooks(2) // the terminal has answered what it was asked at first
	written := filepath.Join(t.TempDir(), "written")
	term.tmux("pipe-pane", "cat >"+written)
	sshtest.Eventually(t, patience, "tmux writes", func() bool { _, err := os.Stat(written); return err == nil })
	p.awaitLooks(3)
	term.types("?")
	term.shows("up, down, j, k")
	term.tmux("pipe-pane")
	var text []byte
	sshtest.Eventually(t, patience, "the help", func() bool {
		text, _ = os.ReadFile(written)
		return strings.Contains(string(text), "Ctrl-C")
	})
	if before, _, _ := strings.Cut(string(text), "Ctrl-C"); len(before) > 200 {
		t.Errorf("drawn while nothing changed: %q", before)
	}
}

// awaitLooks waits until the status was asked for n times more.
func (p *process) awaitLooks(n int) {
	p.t.Helper()
	for mark := p.mark(); n > 0; n-- {
		p.await(mark, "a look", func(e control.Event) bool { return strings.HasPrefix(e.Detail, "GET /v1/status") })
		mark = p.mark()
	}
}
