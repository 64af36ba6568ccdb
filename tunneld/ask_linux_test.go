package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
)

// screen is a terminal with what was shown on it.
type screen struct {
	t            *testing.T
	master, line *os.File
	shown        *shared
}

// shared is a buffer that is read while it is written.
type shared struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newScreen(t *testing.T) *screen {
	t.Helper()
	master, line, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t, master, line, new(shared)}
	over := make(chan struct{})
	go func() {
		defer close(over)
		io.Copy(s.shown, master)
	}()
	t.Cleanup(func() {
		line.Close() // ends the reads of the other side
		<-over
		master.Close()
	})
	return s
}

// run starts the program with the screen as its terminal.
func (s *screen) run(args ...string) *exec.Cmd {
	s.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.line, s.line, s.line
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	timer := time.AfterFunc(2*patience, func() { cmd.Process.Kill() })
	s.t.Cleanup(func() { timer.Stop() })
	return cmd
}

func (s *screen) echoes() bool {
	s.t.Helper()
	mode, err := unix.IoctlGetTermios(int(s.line.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatal(err)
	}
	return mode.Lflag&unix.ECHO != 0
}

// interrupt waits until cmd asks with the words, unseen, presses Ctrl-C, and
// looks at the terminal that is left.
func (s *screen) interrupt(cmd *exec.Cmd, words string) {
	s.t.Helper()
	sshtest.Eventually(s.t, patience, words, func() bool { return strings.Contains(s.shown.String(), words) && !s.echoes() })
	if _, err := s.master.WriteString("\x03"); err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != exitFailed {
		s.t.Errorf("%v\n%s", err, s.shown)
	}
	if !s.echoes() {
		s.t.Error("the terminal is left without echo")
	}
	sshtest.Eventually(s.t, patience, "the reason", func() bool { return strings.Contains(s.shown.String(), "interrupted") })
}

// Ctrl-C at a question leaves the terminal as it was.
func TestInterruptedQuestions(t *testing.T) {
	srv := &sshserver.Server{KeyboardInteractive: func(_ string, ask ssh.KeyboardInteractiveChallenge) error {
		_, err := ask("", "", []string{"Passphrase of the key /home/ana/.ssh/id_ed25519:"}, []bool{false})
		return err
	}}
	sshtest.Serve(t, srv)
	host, port, _ := strings.Cut(srv.Addr(), ":")
	asks := "(ana@" + host + ") Passphrase of the key"
	profile := "server = { host = '" + host + "', port = " + port + ", user = 'ana', ssh_config = 'none' }\n" +
		"auth = { agent = 'none', methods = ['keyboard-interactive'] }\n" +
		"host_key.known_hosts = ['" + sshtest.KnownHosts(t, srv.Addr(), srv.HostKeys()...) + "']\n"
	p := startDaemon(t, map[string]string{"work": profile})
	p.link(0, "work", "blocked")
	alone := t.TempDir() // no daemon answers there
	if err := os.MkdirAll(filepath.Join(alone, "profiles"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(alone, "profiles", "work.toml"), []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, words string
		args        []string
	}{
		{"secret", "Secret:", []string{"secret", "set", "x", "--config", p.dir}},
		{"unlock", asks, []string{"unlock", "work", "--config", p.dir}},
		{"trace", asks, []string{"trace", "work", "--config", alone}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScreen(t)
			s.interrupt(s.run(test.args...), test.words)
		})
	}
}
