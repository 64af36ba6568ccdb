package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/control"
	"tunneld/internal/sshtest"
)

// The log and the events say who opened what and how it ended, and never what
// was typed or run. A profile can forbid all of it.
func TestSessionsAreNoted(t *testing.T) {
	t.Parallel()
	d, echo := bare(t, "AcceptEnv *"), sshtest.Echo(t)
	p := startDaemon(t, map[string]string{"work": server(d), "closed": server(d) + "shell = { enabled = false }\n"})
	p.link(0, "work", "up")
	p.link(0, "closed", "up")
	copied := filepath.Join(t.TempDir(), "copied-secret")
	if err := os.WriteFile(copied, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, input string
		args        []string
		status      int // where it is allowed
		refused     int // where it is not
	}{
		{"a shell,", "echo typed-secret\nexit 3\n", []string{"shell", "%s"}, 3, 255},
		{"a command,", "", []string{"exec", "-e", "A=env-secret", "%s", "echo command-secret"}, 0, 255},
		{"a command with a terminal,", "", []string{"exec", "-tt", "%s", "exit 4"}, 4, 255},
		{"a connection to " + echo.Addr + ",", "sent-secret", []string{"ssh-proxy", "%s", echo.Addr}, 0, 1},
		{"a copy,", "", []string{"cp", "%s:" + copied, t.TempDir()}, 0, 1},
	} {
		for profile, want := range map[string]int{"work": c.status, "closed": c.refused} {
			args := make([]string, len(c.args))
			for i, a := range c.args {
				args[i] = strings.Replace(a, "%s", profile, 1)
			}
			out, errs, status := p.runs(strings.NewReader(c.input), args...)
			wants(t, strings.Join(args, " "), out, errs, status, want)
			if profile == "closed" {
				wants(t, strings.Join(args, " "), "", errs, status, want, "tunneld: session_denied: the profile forbids", "hint: set shell.enabled = true in closed\n")
			}
		}
		for _, message := range []string{"session opened", "session ended"} {
			p.await(0, message+": "+c.name, func(e control.Event) bool {
				return e.Kind == "session" && e.Profile == "work" && e.Message == message && strings.Contains(e.Detail, c.name) &&
					strings.Contains(e.Detail, fmt.Sprintf(", for user %d, pid ", os.Getuid()))
			})
		}
	}
	out, errs, status := p.tunneld("", "events", "work")
	wants(t, "events", out, errs, status, 0, "a shell, ", "a command with a terminal, ", "a copy, ", fmt.Sprintf("for user %d, pid ", os.Getuid()))
	if text := out + p.log(); strings.Contains(text, "secret") {
		t.Errorf("a secret is told:\n%s", text)
	}
}
