package main

import (
	"strings"
	"testing"
)

// What a server says no to has a code, and a hint that names the setting.
func TestServerSaysNo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		setting string
		args    []string
		stdout  string
		want    []string // of stderr
		status  int
	}{
		"exec of MaxSessions":     {"MaxSessions 0", []string{"exec", "work", "true"}, "", []string{"tunneld: session_denied: ", "hint: ", "MaxSessions"}, 255},
		"shell of MaxSessions":    {"MaxSessions 0", []string{"shell", "work"}, "", []string{"tunneld: session_denied: ", "hint: ", "MaxSessions"}, 255},
		"cp of MaxSessions":       {"MaxSessions 0", []string{"cp", "work:a", "."}, "", []string{"tunneld: session_denied: ", "hint: ", "MaxSessions"}, 1},
		"no terminal":             {"PermitTTY no", []string{"exec", "-tt", "work", "true"}, "", []string{"tunneld: pty_denied: ", "hint: ", "PermitTTY"}, 255},
		"nor is one wanted":       {"PermitTTY no", []string{"exec", "work", "echo here"}, "here\n", nil, 0},
		"exec of ForceCommand":    {"ForceCommand echo \"forced: $SSH_ORIGINAL_COMMAND\"; exit 4", []string{"exec", "work", "true"}, "forced: true\n", nil, 4},
		"shell of ForceCommand":   {"ForceCommand echo forced; exit 4", []string{"shell", "work"}, "forced\n", nil, 4},
		"cp of ForceCommand":      {"ForceCommand echo forced; exit 4", []string{"cp", "work:a", "."}, "", []string{"tunneld: session_denied: ", "hint: "}, 1},
		"cp without a subsystem":  {"Subsystem other /bin/true", []string{"cp", "work:a", "."}, "", []string{"tunneld: session_denied: the server has no subsystem sftp", "hint: ", "Subsystem sftp"}, 1},
		"cp of a subsystem gone":  {"Subsystem sftp /nonexistent/sftp-server", []string{"cp", "work:a", "."}, "", []string{"tunneld: session_denied: the server ended the SFTP session", "hint: the server's log"}, 1},
		"ssh-proxy of forwarding": {"AllowTcpForwarding no", []string{"ssh-proxy", "work", "127.0.0.1:1"}, "", []string{"tunneld: target_denied: ", "hint: ", "AllowTcpForwarding"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachWay(t, bare(t, c.setting), "", func(t *testing.T, p *process) {
				out, errs, status := p.runs(strings.NewReader(""), c.args...)
				wants(t, name, out, errs, status, c.status, c.want...)
				if out != c.stdout || c.want == nil && errs != "" || strings.Count(errs, "\n") > 2 {
					t.Errorf("%q, %q", out, errs)
				}
			})
		})
	}
}
