package shell_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/internal/sshtest"
	"tunneld/link"
	"tunneld/shell"
)

// heard are the channel requests that a scripted server got.
type heard struct {
	mu   sync.Mutex
	seen []string
}

func (h *heard) add(r *ssh.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = append(h.seen, strings.TrimSpace(r.Type+" "+fault.Clean(string(r.Payload))))
}

func (h *heard) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.seen, "; ")
}

// answering serves sessions: each request goes to answer.
func answering(answer func(ssh.Channel, *ssh.Request)) func(context.Context, ssh.Conn, ssh.NewChannel) {
	return func(_ context.Context, _ ssh.Conn, nc ssh.NewChannel) {
		channel, requests, err := nc.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			answer(channel, r)
		}
	}
}

func TestRequestsOnTheWire(t *testing.T) {
	var h heard
	l := scripted(t, answering(func(_ ssh.Channel, r *ssh.Request) {
		h.add(r)
		r.Reply(true, nil)
	}))
	s := start(t, l, shell.Spec{Env: []string{"A=b"}, Terminal: terminal(), X11: &shell.X11{Cookie: "c0ffee", Screen: 1}, Agent: true, Command: "run"})
	if err := s.Signal(ssh.SIGINT); err != nil {
		t.Fatal(err)
	}
	sshtest.Eventually(t, patience, "a signal", func() bool { return strings.Contains(h.text(), "signal") })
	if want := "x11-req MIT-MAGIC-COOKIE-1 c0ffee; auth-agent-req@openssh.com; pty-req xterm-256color \ufffd + \ufffd; env A b; exec run; signal INT"; h.text() != want {
		t.Errorf("%s, want %s", h.text(), want)
	}
}

func TestServerNeverAnswers(t *testing.T) {
	l := scripted(t, answering(func(ssh.Channel, *ssh.Request) {}))
	_, err := try(t, l, shell.Spec{Terminal: terminal(), Timeout: 50 * time.Millisecond})
	if fault.CodeOf(err) != fault.SessionDenied || !strings.Contains(err.Error(), "did not answer pty-req") {
		t.Error(err)
	}
	channel, requests, err := l.Session(patient(t), patience)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := shell.Start(ctx, channel, requests, shell.Spec{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestServerEndsSessionAtOnce(t *testing.T) {
	l := scripted(t, answering(func(c ssh.Channel, _ *ssh.Request) { c.Close() }))
	if _, err := try(t, l, shell.Spec{Command: "x"}); fault.CodeOf(err) != fault.SessionDenied {
		t.Error(err)
	}
}

func TestEndWithoutStatus(t *testing.T) {
	l := scripted(t, answering(func(c ssh.Channel, r *ssh.Request) {
		r.Reply(true, nil)
		io.WriteString(c, "half a wo")
		c.SendRequest("exit-status", false, []byte("bad"))
		c.SendRequest("gossip@example.com", false, nil)
		c.Close()
	}))
	got := finish(t, start(t, l, shell.Spec{Command: "x"}), strings.NewReader("input"))
	if got.stdout != "half a wo" || !errors.Is(got.err, shell.ErrNoExit) {
		t.Errorf("%+v", got)
	}
}

// A server that wants no more input ends the writer, not the program.
func TestEndOfWrite(t *testing.T) {
	l := scripted(t, answering(func(c ssh.Channel, r *ssh.Request) {
		if r.Reply(true, nil); r.Type == "exec" {
			c.SendRequest("eow@openssh.com", false, nil)
			io.WriteString(c, "enough")
			c.SendRequest("exit-status", false, []byte{0, 0, 0, 3})
			go func() { io.Copy(io.Discard, c); c.Close() }()
		}
	}))
	s := start(t, l, shell.Spec{Command: "head"})
	defer closeLate(s)()
	if _, err := io.Copy(s.Stdin, sshtest.Pattern(bulk)); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	s.Stdin.Close()
	text := make([]byte, len("enough"))
	if _, err := io.ReadFull(s.Stdout, text); err != nil || string(text) != "enough" {
		t.Errorf("%s, %v", text, err)
	}
}

// Close needs no answer of the server: sshd gives one when the program ends.
func TestCloseIsImmediate(t *testing.T) {
	l, _ := openssh(t)
	s := start(t, l, shell.Spec{Command: "sleep 1000"})
	over := make(chan error, 3)
	go func() { _, err := s.Stdout.Read(make([]byte, 1)); over <- err }()
	go func() { _, err := s.Stderr.Read(make([]byte, 1)); over <- err }()
	go func() { _, err := s.Stdin.Write(make([]byte, 8<<20)); over <- err }()
	s.Close()
	for range cap(over) {
		select {
		case err := <-over:
			if err == nil {
				t.Error("no error")
			}
		case <-patient(t).Done():
			t.Fatal("a stream still waits")
		}
	}
	if _, err := s.Wait(patient(t)); !errors.Is(err, shell.ErrNoExit) {
		t.Error(err)
	}
	if err := s.Resize(shell.Size{}); err == nil {
		t.Error("resized")
	}
}

func TestConnectionDies(t *testing.T) {
	l, d := openssh(t)
	s := start(t, l, shell.Spec{Command: "echo begun; sleep 1000"})
	line := make([]byte, len("begun\n"))
	if _, err := io.ReadFull(s.Stdout, line); err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 2)
	go func() { _, err := io.Copy(io.Discard, s.Stdout); read <- err }()
	go func() { _, err := io.Copy(s.Stdin, sshtest.Pattern(bulk)); read <- err }()
	d.KillConnections()
	_, err := s.Wait(patient(t))
	if fault.CodeOf(err) != fault.ClosedByServer {
		t.Errorf("Wait: %v", err)
	}
	for range 2 {
		if err := <-read; fault.CodeOf(err) != fault.ClosedByServer {
			t.Errorf("a stream: %v", err)
		}
	}
	if err := s.Signal(ssh.SIGTERM); fault.CodeOf(err) != fault.ClosedByServer {
		t.Errorf("Signal: %v", err)
	}
	sshtest.Eventually(t, patience, "the next connection", func() bool { return l.Status().State == link.Up && l.Status().Reconnects == 1 })
	if got := run(t, l, "echo again", ""); got.stdout != "again\n" {
		t.Errorf("%+v", got)
	}
}

// A session that nobody reads, and nobody closes, does not keep a dead
// connection from being replaced.
func TestForgottenSession(t *testing.T) {
	l, d := openssh(t)
	s := start(t, l, shell.Spec{Command: "cat /dev/zero"})
	if _, err := io.ReadFull(s.Stdout, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	d.KillConnections()
	sshtest.Eventually(t, patience, "the next connection", func() bool { return l.Status().State == link.Up && l.Status().Reconnects == 1 })
}
