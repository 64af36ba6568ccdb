package sshserver_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
)

func TestAuthenticationHooks(t *testing.T) {
	no := errors.New("no")
	srv := &sshserver.Server{
		PublicKey: func(string, ssh.PublicKey) error { return no },
		Password:  func(string, string) error { return no },
		Banner:    func(user string) string { return "welcome, " + user },
		KeyboardInteractive: func(_ string, ask ssh.KeyboardInteractiveChallenge) error {
			for _, want := range []string{"one", "two"} {
				answers, err := ask("", "", []string{"code " + want + "? "}, []bool{false})
				if err != nil || len(answers) != 1 || answers[0] != want {
					return no
				}
			}
			return nil
		},
	}
	config := serve(t, srv)
	key, _ := sshtest.NewKey(t)
	rounds := 0
	answer := func(_, _ string, questions []string, _ []bool) ([]string, error) {
		if len(questions) == 0 {
			return nil, nil
		}
		rounds++
		return []string{strings.TrimSuffix(strings.TrimPrefix(questions[0], "code "), "? ")}, nil
	}
	var banner string
	config.BannerCallback = func(text string) error { banner = text; return nil }
	config.Auth = []ssh.AuthMethod{ssh.PublicKeys(key), ssh.Password("secret"), ssh.KeyboardInteractive(answer)}
	dial(t, srv, config)
	var got []string
	for _, a := range srv.Attempts() {
		got = append(got, a.User+" "+a.Method+" "+a.Fingerprint)
	}
	want := []string{"ana none ", "ana publickey " + ssh.FingerprintSHA256(key.PublicKey()), "ana password ", "ana keyboard-interactive "}
	if !slices.Equal(got, want) || rounds != 2 || banner != "welcome, ana" {
		t.Errorf("%d rounds, banner %q, attempts\n%q, want\n%q", rounds, banner, got, want)
	}
}

func TestRequestHooks(t *testing.T) {
	t.Run("refuse", func(t *testing.T) {
		srv := &sshserver.Server{Request: sshserver.Refuse("tcpip-forward")}
		if _, err := dial(t, srv, serve(t, srv)).Listen("tcp", "127.0.0.1:0"); err == nil {
			t.Error("not refused")
		}
	})
	t.Run("pretend", func(t *testing.T) {
		srv := &sshserver.Server{Request: sshserver.Pretend("tcpip-forward", 4711)}
		listener, err := dial(t, srv, serve(t, srv)).Listen("tcp", "127.0.0.1:0")
		if err != nil || listener.Addr().(*net.TCPAddr).Port != 4711 || len(srv.Forwards()) != 0 {
			t.Errorf("%v, %v, forwards %v", listener, err, srv.Forwards())
		}
	})
	t.Run("swallow", func(t *testing.T) {
		srv := &sshserver.Server{Request: sshserver.Swallow("keepalive@openssh.com")}
		client := dial(t, srv, serve(t, srv))
		answered := make(chan bool)
		go func() {
			_, _, err := client.SendRequest("keepalive@openssh.com", true, nil)
			answered <- err == nil
		}()
		if _, _, err := client.SendRequest("other@example.com", false, nil); err != nil {
			t.Error(err)
		}
		client.Close()
		if <-answered {
			t.Error("the keepalive was answered")
		}
	})
	t.Run("none", func(t *testing.T) {
		srv := &sshserver.Server{}
		if ok, _, err := dial(t, srv, serve(t, srv)).SendRequest("keepalive@openssh.com", true, nil); ok || err != nil {
			t.Errorf("keepalive: %v, %v; want a plain no", ok, err)
		}
	})
}

func TestOpenHook(t *testing.T) {
	srv := &sshserver.Server{Open: sshserver.RejectOpen("direct-tcpip", ssh.ResourceShortage, "full")}
	client := dial(t, srv, serve(t, srv))
	_, err := client.Dial("tcp", "127.0.0.1:80")
	var rejected *ssh.OpenChannelError
	if !errors.As(err, &rejected) || rejected.Reason != ssh.ResourceShortage || rejected.Message != "full" {
		t.Errorf("%v", err)
	}
	if _, _, err := client.OpenChannel("nonsense", nil); !errors.As(err, &rejected) || rejected.Reason != ssh.UnknownChannelType {
		t.Errorf("an unknown type: %v", err)
	}
}

func TestSessionHook(t *testing.T) {
	srv := &sshserver.Server{Session: func(_ context.Context, _ ssh.Conn, channel ssh.NewChannel) {
		stream, requests, err := channel.Accept()
		if err != nil {
			return
		}
		defer stream.Close()
		for req := range requests {
			req.Reply(req.Type == "exec", nil)
			if req.Type == "exec" {
				io.WriteString(stream, "done")
				stream.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{3}))
				return
			}
		}
	}}
	session, err := dial(t, srv, serve(t, srv)).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out, err := session.Output("anything")
	var exit *ssh.ExitError
	if string(out) != "done" || !errors.As(err, &exit) || exit.ExitStatus() != 3 {
		t.Errorf("%q, %v", out, err)
	}
}

func TestDialHook(t *testing.T) {
	echo := sshtest.Sink(t)
	srv := &sshserver.Server{Dial: func(ctx context.Context, target string) (net.Conn, error) {
		if target != "db.internal:5432" {
			return nil, errors.New("no route to " + target)
		}
		return new(net.Dialer).DialContext(ctx, "tcp", echo.Addr)
	}}
	client := dial(t, srv, serve(t, srv))
	conn, err := client.Dial("tcp", "db.internal:5432")
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, conn, 100)
	if _, err := client.Dial("tcp", "elsewhere:1"); err == nil || !strings.Contains(err.Error(), "no route to elsewhere:1") {
		t.Errorf("%v", err)
	}
}

func TestAcceptedHooks(t *testing.T) {
	t.Run("greet", func(t *testing.T) {
		srv := &sshserver.Server{Accepted: sshserver.Greet("welcome to the machine\r\n")}
		dial(t, srv, serve(t, srv))
	})
	t.Run("cut", func(t *testing.T) {
		for _, n := range []int64{1, 10, 100, 1000} {
			srv := &sshserver.Server{Accepted: sshserver.CutAfter(n)}
			config := serve(t, srv)
			if _, err := ssh.Dial("tcp", srv.Addr(), config); err == nil {
				t.Errorf("a handshake in %d bytes", n)
			}
			if len(srv.Attempts()) != 0 {
				t.Errorf("authentication after %d bytes", n)
			}
		}
	})
	t.Run("swallow", func(t *testing.T) {
		srv := &sshserver.Server{Accepted: func(c net.Conn) net.Conn { sshtest.Silent(c); return nil }}
		serve(t, srv)
		conn, err := net.Dial("tcp", srv.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		sshtest.Eventually(t, patience, "it is accepted", func() bool { return srv.Connections() == 1 })
	})
}
