package link_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"tunneld/fault"
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
