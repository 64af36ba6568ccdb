package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tunneld/internal/sshtest"
)

// locked is a daemon's folder, without the daemon, whose key has a passphrase.
func locked(t *testing.T, passphrase string) *process {
	t.Helper()
	d := bare(t)
	if out, err := exec.Command("ssh-keygen", "-q", "-p", "-a", "1", "-P", "", "-N", passphrase, "-f", d.ClientKey).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v %s", err, out)
	}
	return prepareDaemon(t, map[string]string{"work": server(d)})
}

// What comes through a pipe is for the program; the question is for the person at
// the terminal. Where there is none, the command says what to do.
func TestQuestionBesideAPipe(t *testing.T) {
	t.Parallel()
	const passphrase = "correct horse"
	p := locked(t, passphrase)
	s := newScreen(t)
	var out, errs bytes.Buffer
	cmd := p.remote(t.Context(), "exec", "work", "cat")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("for the program"), &out, &errs
	cmd.ExtraFiles = append(cmd.ExtraFiles, s.line)
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	sshtest.Eventually(t, patience, "the question", func() bool { return strings.Contains(s.shown.String(), "Passphrase of the key") && !s.echoes() })
	s.master.WriteString(passphrase + "\r")
	if err := cmd.Wait(); err != nil || out.String() != "for the program" || errs.String() != "" || !s.echoes() {
		t.Errorf("%v, %q, %q", err, out.String(), errs.String())
	}

	nobody := p.remote(t.Context(), "exec", "work", "cat")
	nobody.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	text, _ := nobody.CombinedOutput()
	wants(t, "nobody", string(text), "", nobody.ProcessState.ExitCode(), exitRemote, "tunneld: needs_passphrase: ", "hint: ", "ssh-add")
}

// Ctrl-C before there is a session ends the command at once, with the terminal
// as it was.
func TestInterruptedBeforeTheSession(t *testing.T) {
	t.Parallel()
	p := locked(t, "correct horse")
	s := newScreen(t)
	before := lineModes(t, s.line)
	cmd := s.run("shell", "work", "--config", p.dir)
	sshtest.Eventually(t, patience, "the question", func() bool { return strings.Contains(s.shown.String(), "Passphrase of the key") && !s.echoes() })
	s.master.WriteString("\x03")
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("%v\n%s", cmd.ProcessState, s.shown)
	}
	if after := lineModes(t, s.line); after != before {
		t.Errorf("%s, want %s", after, before)
	}

	silent := sshtest.NewRelay(t, bare(t).Addr)
	silent.Freeze()
	away := prepareDaemon(t, map[string]string{"work": serverAt(bare(t), silent.Addr)})
	cmd = s.run("shell", "work", "--config", away.dir)
	sshtest.Eventually(t, patience, "a connection", func() bool { return silent.Accepted() > 0 })
	s.master.WriteString("\x03")
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 130 || lineModes(t, s.line) != before {
		t.Errorf("%v\n%s", cmd.ProcessState, s.shown)
	}
}
