package link_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

// talkative makes a server that hands over its end of each connection.
func talkative(t *testing.T) (*sshserver.Server, <-chan ssh.Conn, link.Target) {
	t.Helper()
	conns := make(chan ssh.Conn, 10)
	srv := &sshserver.Server{PublicKey: func(string, ssh.PublicKey) error { return nil }}
	srv.Authenticated = func(conn ssh.Conn) { conns <- conn }
	sshtest.Serve(t, srv)
	_, key := sshtest.NewKey(t)
	return srv, conns, target(t, srv.Addr(), "ana", key, sshtest.KnownHosts(t, srv.Addr(), srv.HostKeys()...))
}

func x11From(host string, port uint32) []byte {
	return ssh.Marshal(struct {
		Host string
		Port uint32
	}{host, port})
}

func rejection(err error) ssh.RejectionReason {
	var refusal *ssh.OpenChannelError
	if errors.As(err, &refusal) {
		return refusal.Reason
	}
	return 0
}

func TestUnaskedChannelsAreRejected(t *testing.T) {
	sshtest.Leaks(t)
	_, conns, tg := talkative(t)
	_, r := serve(t, tg)
	server := <-conns
	for _, kind := range []string{"x11", "auth-agent@openssh.com", "session", "direct-tcpip", "odd\x1b[2J"} {
		if _, _, err := server.OpenChannel(kind, x11From("127.0.0.1", 4000)); rejection(err) != ssh.UnknownChannelType {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if got := r.details("rejected a channel nobody asked for"); strings.Join(got, ",") != "x11,auth-agent@openssh.com,session,direct-tcpip,odd [2J" {
		t.Errorf("told %q", got)
	}
}

func TestX11Channels(t *testing.T) {
	sshtest.Leaks(t)
	srv, conns, tg := talkative(t)
	l, _ := serve(t, tg)
	ln, err := l.X11Channels()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.X11Channels(); err == nil {
		t.Error("two listeners")
	}
	agent, err := l.AgentChannels()
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	for range 2 { // of connections
		server := <-conns
		relay(t, server, "x11", ln, "10.9.8.7:6010")
		relay(t, server, "auth-agent@openssh.com", agent, "auth-agent@openssh.com")
		if _, _, err := server.OpenChannel("x11", []byte("bad")); rejection(err) != ssh.ConnectionFailed {
			t.Errorf("malformed: %v", err)
		}
		before := l.Status().Reconnects
		srv.KillConnections()
		sshtest.Eventually(t, patience, "the next connection", func() bool { return l.Status().Reconnects > before && l.Status().State == link.Up })
	}
	ln.Close()
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept: %v", err)
	}
	if _, _, err := (<-conns).OpenChannel("x11", x11From("127.0.0.1", 1)); rejection(err) != ssh.UnknownChannelType {
		t.Errorf("closed: %v", err)
	}
	if again, err := l.X11Channels(); err != nil {
		t.Error(err)
	} else {
		again.Close()
	}
}

// relay opens a channel at the server, sends through it both ways, and checks
// that each side sees the other's half-close.
func relay(t *testing.T, server ssh.Conn, kind string, ln net.Listener, from string) {
	t.Helper()
	var open sync.WaitGroup
	open.Go(func() {
		ch, requests, err := server.OpenChannel(kind, x11From("10.9.8.7", 6010))
		if err != nil {
			t.Error(err)
			return
		}
		go ssh.DiscardRequests(requests)
		io.WriteString(ch, "setup")
		ch.CloseWrite()
		if answer, err := io.ReadAll(ch); string(answer) != "got setup" || err != nil {
			t.Errorf("server read %q, %v", answer, err)
		}
		ch.Close()
	})
	defer open.Wait()
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.RemoteAddr().String() != from {
		t.Errorf("from %s, want %s", c.RemoteAddr(), from)
	}
	text, err := io.ReadAll(c)
	if err != nil {
		t.Error(err)
	}
	io.WriteString(c, "got "+string(text))
	c.(interface{ CloseWrite() error }).CloseWrite()
}

// Channels that nobody accepts do not stop the connection.
func TestX11Flood(t *testing.T) {
	sshtest.Leaks(t)
	_, conns, tg := talkative(t)
	l, _ := serve(t, tg)
	ln, err := l.X11Channels()
	if err != nil {
		t.Fatal(err)
	}
	server := <-conns
	var opens sync.WaitGroup
	reasons := make(chan ssh.RejectionReason, 200)
	for range cap(reasons) {
		opens.Go(func() {
			_, _, err := server.OpenChannel("x11", x11From("127.0.0.1", 1))
			reasons <- rejection(err)
		})
	}
	for range cap(reasons) - 128 {
		if got := <-reasons; got != ssh.ResourceShortage {
			t.Errorf("rejected with %v", got)
		}
	}
	if _, err := dial(t, l, "127.0.0.1:1", patience); err == nil || l.Status().State != link.Up {
		t.Errorf("the connection is not itself any more: %v", err)
	}
	ln.Close()
	opens.Wait()
	for range 128 {
		if got := <-reasons; got != ssh.ConnectionFailed {
			t.Errorf("rejected with %v", got)
		}
	}
}

// A jump host has no business with the display, whoever asked the target.
func TestJumpHostGetsNoChannels(t *testing.T) {
	sshtest.Leaks(t)
	_, _, tg := talkative(t)
	_, conns, jump := talkative(t)
	tg.Jumps = []link.Target{jump}
	l, r := serve(t, tg)
	ln, err := l.X11Channels()
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	await(t, l, link.Up)
	if _, _, err := (<-conns).OpenChannel("x11", x11From("127.0.0.1", 1)); rejection(err) != ssh.UnknownChannelType {
		t.Error(err)
	}
	if got := r.details("rejected a channel nobody asked for"); len(got) != 1 {
		t.Errorf("told %q", got)
	}
}

// With a real server: a client of the display that sshd made for the session.
func TestX11FromOpenSSH(t *testing.T) {
	if _, err := exec.LookPath("xauth"); err != nil {
		t.Fatal("xauth is not installed: run: make deps")
	}
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t, "X11Forwarding yes", "X11UseLocalhost yes", "SetEnv HOME="+t.TempDir())
	l, _ := serve(t, sshdTarget(t, d))
	ln, err := l.X11Channels()
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ch, requests, err := l.Session(context.Background(), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	go ssh.DiscardRequests(requests)
	x11 := struct {
		Single           bool
		Protocol, Cookie string
		Screen           uint32
	}{false, "MIT-MAGIC-COOKIE-1", strings.Repeat("ab", 16), 0}
	if ok, err := ch.SendRequest("x11-req", true, ssh.Marshal(x11)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := ch.SendRequest("exec", true, ssh.Marshal(struct{ Line string }{"echo $DISPLAY; xauth list; cat"})); !ok || err != nil {
		t.Fatal(ok, err)
	}
	var display, screen int
	if _, err := fmt.Fscanf(ch, "localhost:%d.%d\n", &display, &screen); err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", 6000+display))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	io.WriteString(client, "l\x00")
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got := make([]byte, 2)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "l\x00" || c.RemoteAddr().String() != client.LocalAddr().String() {
		t.Errorf("%q from %s, want %s; %v", got, c.RemoteAddr(), client.LocalAddr(), err)
	}
}
