package link_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

func TestSessionRefused(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t, "MaxSessions 0")
	l, _ := serve(t, sshdTarget(t, d))
	_, _, err := l.Session(context.Background(), patience)
	if fault.CodeOf(err) != fault.SessionDenied || fault.As(err).Step != fault.Session || !strings.Contains(fault.HintOf(err), "MaxSessions") {
		t.Errorf("%v", err)
	}
}

// Session waits as Dial does.
func TestSessionWaits(t *testing.T) {
	sshtest.Leaks(t)
	_, key := sshtest.NewKey(t)
	l, _ := serve(t, target(t, "127.0.0.1:1", "ana", key, key))
	if _, _, err := l.Session(context.Background(), 50*time.Millisecond); fault.CodeOf(err) != fault.HoldExpired {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := l.Session(ctx, patience); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// half makes a server whose session says something and, once asked, does end.
func half(t *testing.T, end func(ssh.Conn, ssh.Channel)) *link.Link {
	t.Helper()
	sshtest.Leaks(t)
	srv := &sshserver.Server{PublicKey: func(string, ssh.PublicKey) error { return nil }}
	srv.Session = func(_ context.Context, conn ssh.Conn, nc ssh.NewChannel) {
		ch, requests, err := nc.Accept()
		if err != nil {
			return
		}
		io.WriteString(ch, "half")
		<-requests
		end(conn, ch)
		ssh.DiscardRequests(requests)
	}
	sshtest.Serve(t, srv)
	_, key := sshtest.NewKey(t)
	l, _ := serve(t, target(t, srv.Addr(), "ana", key, sshtest.KnownHosts(t, srv.Addr(), srv.HostKeys()...)))
	return l
}

// A session that ends is told from one whose connection dies, though the server
// says no status.
func TestSessionEnds(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(ssh.Conn, ssh.Channel)
		code fault.Code
	}{
		"channel closed":    {func(_ ssh.Conn, ch ssh.Channel) { ch.Close() }, ""},
		"connection closed": {func(conn ssh.Conn, _ ssh.Channel) { conn.Close() }, fault.ClosedByServer},
	} {
		t.Run(name, func(t *testing.T) {
			l := half(t, test.end)
			ch, requests, err := l.Session(context.Background(), patience)
			if err != nil {
				t.Fatal(err)
			}
			defer ch.Close()
			text := make([]byte, 4)
			if _, err := io.ReadFull(ch, text); err != nil || string(text) != "half" {
				t.Errorf("%q, %v", text, err)
			}
			if _, err := ch.SendRequest("end", false, nil); err != nil {
				t.Error(err)
			}
			ssh.DiscardRequests(requests)
			if _, err := ch.Read(text); fault.CodeOf(err) != test.code || test.code == "" && err != io.EOF {
				t.Errorf("read: %v", err)
			}
			if err := ch.CloseWrite(); fault.CodeOf(err) != test.code {
				t.Errorf("close write: %v", err)
			}
			if _, err := ch.SendRequest("x", true, nil); fault.CodeOf(err) != test.code || err == nil {
				t.Errorf("request: %v", err)
			}
			if _, err := ch.Stderr().Write(text); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("stderr: %v", err)
			}
		})
	}
}
