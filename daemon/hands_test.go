package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
	"tunneld/link"
	"tunneld/profiles"
)

// loot is what a server got that it should not have.
type loot struct {
	mu  sync.Mutex
	got []string
}

// password takes what comes and lets nobody in.
func (l *loot) password(_, p string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got = append(l.got, p)
	return errors.New("no")
}

func (l *loot) wantNothing(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.got) > 0 {
		t.Errorf("a server got %q", l.got)
	}
}

// viaJump makes a profile go through jump, with keys and passwords.
func viaJump(t *testing.T, jump *sshserver.Server) func(*profiles.Profile) {
	t.Helper()
	sshtest.Serve(t, jump)
	_, key := sshtest.NewKey(t)
	known := sshtest.KnownHosts(t, jump.Addr(), jump.HostKeys()...)
	return func(p *profiles.Profile) {
		p.Server.ProxyJump = []string{"ana@" + jump.Addr()}
		p.HostKey.KnownHosts = append(p.HostKey.KnownHosts, known)
		p.Auth.IdentityFiles = []string{key}
		p.Auth.Methods = []string{"publickey", "password"}
	}
}

// What a person typed for the server is not given to a jump host that comes to
// ask for a password with the same words, and each question says who asks.
func TestJumpHostDoesNotGetTheServersPassword(t *testing.T) {
	sshtest.Leaks(t)
	var hostile atomic.Bool
	var stolen loot
	jump := &sshserver.Server{
		PublicKey: func(string, ssh.PublicKey) error {
			if hostile.Load() {
				return errors.New("no")
			}
			return nil
		},
		Password: stolen.password,
	}
	server := &sshserver.Server{Password: func(string, string) error { return errors.New("no") }}
	s, _ := run(t, server, viaJump(t, jump))
	p := s.prompt(t, "")
	if p.Server != "ana@"+server.Addr() {
		t.Errorf("the server's question is said to be of %s", p.Server)
	}
	hostile.Store(true)
	s.reply(t, p, "the-servers")
	if p = s.prompt(t, p.ID); p.Server != "ana@"+jump.Addr() {
		t.Errorf("the jump host's question is said to be of %s", p.Server)
	}
	stolen.wantNothing(t)
}

// A stored password is the server's, too.
func TestJumpHostDoesNotGetTheStoredPassword(t *testing.T) {
	sshtest.Leaks(t)
	var stolen loot
	jump := &sshserver.Server{PublicKey: func(string, ssh.PublicKey) error { return errors.New("no") }, Password: stolen.password}
	edit, file := viaJump(t, jump), filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("stored"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, _ := run(t, &sshserver.Server{}, func(p *profiles.Profile) { edit(p); p.Auth.Password = "file:" + file })
	if p := s.prompt(t, ""); p.Code != fault.NeedsPassword || p.Server != "ana@"+jump.Addr() {
		t.Errorf("prompt %+v", p)
	}
	stolen.wantNothing(t)
}

// An edit that leads to another server takes no answer along.
func TestOtherServerDoesNotGetTheAnswer(t *testing.T) {
	sshtest.Leaks(t)
	var connections atomic.Int32
	quiet := make(chan struct{})
	a := &sshserver.Server{
		Password: func(string, string) error { return errors.New("no") },
		Accepted: func(c net.Conn) net.Conn {
			if connections.Add(1) > 1 { // the attended attempt is slow
				<-quiet
			}
			return c
		},
	}
	var stolen loot
	b := &sshserver.Server{Password: stolen.password}
	sshtest.Serve(t, b)
	s, tn := run(t, a, func(p *profiles.Profile) {
		p.Auth.Methods = []string{"password"}
		p.HostKey.KnownHosts = append(p.HostKey.KnownHosts, sshtest.KnownHosts(t, b.Addr(), b.HostKeys()...))
	})
	t.Cleanup(func() { close(quiet) })
	p := s.prompt(t, "")
	s.reply(t, p, "for-a")
	awaitState(t, tn, link.Connecting)
	q := tn.current()
	host, port, _ := net.SplitHostPort(b.Addr())
	q.Server.Host = host
	q.Server.Port, _ = strconv.Atoi(port)
	tn.relink(q)
	if p = s.prompt(t, p.ID); p.Server != "ana@"+b.Addr() {
		t.Errorf("prompt %+v", p)
	}
	stolen.wantNothing(t)
}

// A challenge that changed is asked anew.
func TestOldAnswerIsNotGivenToNewChallenge(t *testing.T) {
	sshtest.Leaks(t)
	var n atomic.Int32
	answers := make(chan string, 10)
	srv := &sshserver.Server{KeyboardInteractive: func(_ string, ask ssh.KeyboardInteractiveChallenge) error {
		text := fmt.Sprintf("challenge %d", n.Add(1))
		a, err := ask("", text, []string{"Response: "}, []bool{true})
		if err != nil {
			return err
		}
		answers <- text + ": " + a[0]
		return nil
	}}
	s, tn := run(t, srv, func(p *profiles.Profile) { p.Auth.Methods = []string{"keyboard-interactive"} })
	p := s.prompt(t, "")
	s.reply(t, p, "one")
	p = s.prompt(t, p.ID)
	s.reply(t, p, "two")
	awaitState(t, tn, link.Up)
	if got, want := <-answers, p.Instruction+": two"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A trace, which nobody attends, does not log in with a person's answer.
func TestTraceTakesNoAnswer(t *testing.T) {
	sshtest.Leaks(t)
	var connections atomic.Int32
	slow := make(chan struct{})
	srv := &sshserver.Server{
		Password: func(_, p string) error {
			if p != "good" {
				return errors.New("no")
			}
			return nil
		},
		Accepted: func(c net.Conn) net.Conn {
			if connections.Add(1) == 2 { // the attended attempt
				<-slow
			}
			return c
		},
	}
	s, tn := run(t, srv, func(p *profiles.Profile) { p.Auth.Methods = []string{"password"} })
	s.set = profiles.NewSet(tn.current())
	p := s.prompt(t, "")
	s.reply(t, p, "good")
	sshtest.Eventually(t, patience, "the attended attempt", func() bool { return connections.Load() == 2 })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Trace(ctx, "work", control.TraceOptions{}, func(control.Event) {}); fault.CodeOf(err) != fault.NeedsPassword {
		t.Errorf("trace: %v", err)
	}
	close(slow)
	awaitState(t, tn, link.Up)
}
