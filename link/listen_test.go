package link_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
)

func TestListenComesBack(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	l, _ := serve(t, sshdTarget(t, d))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ln, err := l.Listen(ctx, "localhost", 0)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		c, err := net.Dial("tcp", strings.Replace(ln.Addr().String(), "localhost", "127.0.0.1", 1))
		if err == nil {
			defer c.Close()
			io.WriteString(c, "hi")
		}
	}()
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if string(got) != "hi" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if host, _, _ := net.SplitHostPort(c.RemoteAddr().String()); host != "127.0.0.1" && host != "::1" {
		t.Errorf("origin %v", c.RemoteAddr())
	}
	c.Close()
	d.KillConnections()
	if _, err := ln.Accept(); fault.CodeOf(err) != fault.ClosedByServer {
		t.Errorf("accept on a dead connection: %v", err)
	}
	again, err := l.Listen(ctx, "localhost", 0)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestBusyRemotePort(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	l, _ := serve(t, sshdTarget(t, d))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	port := taken.Addr().(*net.TCPAddr).Port
	if _, err := l.Listen(ctx, "127.0.0.1", port); fault.CodeOf(err) != fault.RemotePortBusy {
		t.Errorf("listen on a taken port: %v", err)
	}
	taken.Close()
	ln, err := l.Listen(ctx, "127.0.0.1", port)
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
}

func TestDeniedRemoteForward(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t, "AllowTcpForwarding no")
	l, _ := serve(t, sshdTarget(t, d))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := l.Listen(ctx, "127.0.0.1", 18080); fault.CodeOf(err) != fault.RemoteForwardDenied {
		t.Errorf("listen: %v", err)
	}
	if _, err := dial(t, l, "127.0.0.1:1", patience); fault.CodeOf(err) != fault.TargetDenied {
		t.Errorf("dial: %v", err)
	}
}

// A port of the server's choice that comes when nobody waits any more is given
// back.
func TestLatePortIsGivenBack(t *testing.T) {
	sshtest.Leaks(t)
	asked, given := make(chan struct{}, 2), make(chan struct{})
	srv := &sshserver.Server{
		PublicKey: func(string, ssh.PublicKey) error { return nil },
		Request: func(r *ssh.Request) bool {
			switch r.Type {
			case "tcpip-forward":
				asked <- struct{}{}
				<-given
			case "cancel-tcpip-forward":
				var a struct {
					Host string
					Port uint32
				}
				if ssh.Unmarshal(r.Payload, &a) == nil && a.Port == 0 {
					t.Error("port 0 was cancelled, not the one that was picked")
				}
			}
			return false
		},
	}
	sshtest.Serve(t, srv)
	_, key := sshtest.NewKey(t)
	tg := target(t, srv.Addr(), "ana", key, sshtest.KnownHosts(t, srv.Addr(), srv.HostKeys()...))
	tg.Keepalive = time.Minute // it would queue behind the request
	l, _ := serve(t, tg)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() {
		_, err := l.Listen(ctx, "127.0.0.1", 0)
		over <- err
	}()
	<-asked
	cancel()
	if err := <-over; err == nil {
		t.Error("a cancelled listen succeeded")
	}
	close(given)
	ctx, cancel = context.WithTimeout(context.Background(), patience)
	defer cancel()
	next, err := l.Listen(ctx, "127.0.0.1", sshtest.FreePort(t)) // answered after the one before
	if err != nil {
		t.Fatal(err)
	}
	next.Close()
	sshtest.Eventually(t, patience, "nothing left on the server", func() bool { return len(srv.Forwards()) == 0 })
}

// What one server granted says nothing about the next.
func TestGrantsEndWithTheServer(t *testing.T) {
	sshtest.Leaks(t)
	a, b := sshtest.StartSSHD(t), sshtest.StartSSHD(t, "AllowTcpForwarding local")
	l, _ := serve(t, sshdTarget(t, a))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	port := sshtest.FreePort(t)
	ln, err := l.Listen(ctx, "127.0.0.1", port)
	if err != nil {
		t.Fatal(err)
	}
	l.Retarget(sshdTarget(t, b))
	if _, err := ln.Accept(); err == nil {
		t.Error("the old listener lives")
	}
	if _, err := l.Listen(ctx, "127.0.0.1", port); fault.CodeOf(err) != fault.RemoteForwardDenied {
		t.Errorf("a server that forbids all remote forwards: %v", err)
	}
}
