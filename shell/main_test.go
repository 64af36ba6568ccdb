package shell_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/identity"
	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
	"tunneld/link"
	"tunneld/shell"
)

// patience bounds every wait of these tests, on a machine that runs others.
const patience = 60 * time.Second

// serve keeps a link to a server up until the test ends.
func serve(t testing.TB, addr, user, key, knownHosts string) *link.Link {
	t.Helper()
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(service)
	l := link.New(link.Target{
		Host: host, Port: port, User: user,
		HostKeys:    identity.HostKeys{Files: []string{knownHosts}},
		Credentials: identity.Credentials{Files: []string{key}, Named: true, IdentitiesOnly: true},
		Keepalive:   2 * time.Second, KeepaliveMisses: 5,
		Backoff: link.Backoff{Min: 20 * time.Millisecond, Max: 100 * time.Millisecond},
	})
	sshtest.Run(t, l)
	return l
}

// openssh starts a real sshd with extra lines, and a link to it. Its shells find
// no startup files, which may do anything on the machine that runs this.
func openssh(t testing.TB, extra ...string) (*link.Link, *sshtest.SSHD) {
	t.Helper()
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t, append(extra, "SetEnv HOME="+t.TempDir())...)
	return serve(t, d.Addr, d.User, d.ClientKey, d.KnownHosts), d
}

// scripted starts a server in the process whose sessions are served by a
// function, and a link to it.
func scripted(t testing.TB, session func(context.Context, ssh.Conn, ssh.NewChannel)) *link.Link {
	t.Helper()
	sshtest.Leaks(t)
	srv := &sshserver.Server{PublicKey: func(string, ssh.PublicKey) error { return nil }, Session: session}
	sshtest.Serve(t, srv)
	_, key := sshtest.NewKey(t)
	return serve(t, srv.Addr(), "ana", key, sshtest.KnownHosts(t, srv.Addr(), srv.HostKeys()...))
}

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// try starts a session that ends with the test.
func try(t testing.TB, l *link.Link, spec shell.Spec) (*shell.Session, error) {
	t.Helper()
	channel, requests, err := l.Session(patient(t), patience)
	if err != nil {
		return nil, err
	}
	s, err := shell.Start(patient(t), channel, requests, spec)
	if err == nil {
		t.Cleanup(func() { s.Close() })
	}
	return s, err
}

func start(t testing.TB, l *link.Link, spec shell.Spec) *shell.Session {
	t.Helper()
	s, err := try(t, l, spec)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// output is what a program said and how it ended.
type output struct {
	stdout, stderr string
	exit           shell.Exit
	err            error
}

// finish feeds a session, reads all that it says and waits for its end.
func finish(t testing.TB, s *shell.Session, input io.Reader) output {
	t.Helper()
	var out output
	var errText bytes.Buffer
	limit := time.AfterFunc(patience, func() { s.Close() })
	defer limit.Stop()
	var streams sync.WaitGroup
	streams.Go(func() { io.Copy(&errText, s.Stderr) })
	streams.Go(func() {
		io.Copy(s.Stdin, input) // fails where the program does not want it all
		s.Stdin.Close()
	})
	text, err := io.ReadAll(s.Stdout)
	exit, waitErr := s.Wait(patient(t))
	streams.Wait()
	out.stdout, out.stderr, out.exit, out.err = string(text), errText.String(), exit, waitErr
	if err != nil && waitErr == nil {
		t.Errorf("stdout: %v, but %v", err, exit)
	}
	return out
}

func run(t testing.TB, l *link.Link, command, input string) output {
	t.Helper()
	s := start(t, l, shell.Spec{Command: command})
	defer s.Close()
	return finish(t, s, strings.NewReader(input))
}
