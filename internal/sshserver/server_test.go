package sshserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
)

const patience = 20 * time.Second

func Example() {
	srv := &sshserver.Server{
		Password: func(user, password string) error {
			if user != "ana" || password != "open sesame" {
				return errors.New("no")
			}
			return nil
		},
	}
	if err := srv.Listen(); err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	over := make(chan error)
	go func() { over <- srv.Serve(ctx) }()

	client, err := ssh.Dial("tcp", srv.Addr(), &ssh.ClientConfig{
		User:            "ana",
		Auth:            []ssh.AuthMethod{ssh.Password("open sesame")},
		HostKeyCallback: ssh.FixedHostKey(srv.HostKeys()[0]),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.NewSession()
	fmt.Println(err)
	for _, a := range srv.Attempts() {
		fmt.Println(a.User, a.Method, a.Err == nil)
	}
	cancel()
	fmt.Println(<-over)
	// Output:
	// ssh: rejected: administratively prohibited ("this server has no sessions")
	// ana none false
	// ana password true
	// <nil>
}

// serve runs srv with one authorized key and returns a configuration for it.
func serve(t *testing.T, srv *sshserver.Server) *ssh.ClientConfig {
	t.Helper()
	sshtest.Leaks(t)
	key, _ := sshtest.NewKey(t)
	srv.AuthorizedKeys = append(srv.AuthorizedKeys, key.PublicKey())
	sshtest.Serve(t, srv)
	return &ssh.ClientConfig{
		User:            "ana",
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: ssh.FixedHostKey(srv.HostKeys()[0]),
		Timeout:         patience,
	}
}

func dial(t *testing.T, srv *sshserver.Server, config *ssh.ClientConfig) *ssh.Client {
	t.Helper()
	client, err := ssh.Dial("tcp", srv.Addr(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// exchange sends n bytes and EOF, and wants the sink's answer after it.
func exchange(t *testing.T, conn net.Conn, n int64) {
	t.Helper()
	defer conn.Close()
	timer := time.AfterFunc(patience, func() { conn.Close() })
	defer timer.Stop()
	if _, err := io.Copy(conn, sshtest.Pattern(n)); err != nil {
		t.Fatal(err)
	}
	conn.(interface{ CloseWrite() error }).CloseWrite()
	got, err := io.ReadAll(conn)
	if want := sshtest.Digest(sshtest.Pattern(n)); err != nil || string(got) != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

func TestDirect(t *testing.T) {
	srv := &sshserver.Server{}
	client := dial(t, srv, serve(t, srv))
	sink := sshtest.Sink(t)
	for _, n := range []int64{0, 1, 5 << 20} {
		conn, err := client.Dial("tcp", sink.Addr)
		if err != nil {
			t.Fatal(err)
		}
		exchange(t, conn, n)
	}
	if _, err := client.Dial("tcp", "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("a closed port: %v", err)
	}
	opened := srv.Opened()
	if len(opened) != 4 || opened[0] != (sshserver.Opened{Type: "direct-tcpip", Target: sink.Addr, Origin: "0.0.0.0:0"}) {
		t.Errorf("opened %v", opened)
	}
}

func TestOriginIsRecorded(t *testing.T) {
	srv := &sshserver.Server{}
	client := dial(t, srv, serve(t, srv))
	payload := ssh.Marshal(struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}{"db.internal", 5432, "192.0.2.7", 4711})
	if _, _, err := client.OpenChannel("direct-tcpip", payload[:5]); err == nil {
		t.Error("a truncated payload was accepted")
	}
	client.OpenChannel("direct-tcpip", payload)
	want := sshserver.Opened{Type: "direct-tcpip", Target: "db.internal:5432", Origin: "192.0.2.7:4711"}
	if got := srv.Opened(); len(got) != 2 || got[1] != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A client that closes its channel frees the target even if that says nothing.
func TestClosedChannelFreesTarget(t *testing.T) {
	srv := &sshserver.Server{}
	client := dial(t, srv, serve(t, srv))
	silent := sshtest.Script(t, sshtest.Silent)
	conn, err := client.Dial("tcp", silent.Addr)
	if err != nil {
		t.Fatal(err)
	}
	sshtest.Eventually(t, patience, "the target is reached", func() bool { return silent.Active() == 1 })
	conn.Close()
	sshtest.Eventually(t, patience, "the target is free", func() bool { return silent.Active() == 0 })
}

func TestRemoteForward(t *testing.T) {
	srv := &sshserver.Server{}
	client := dial(t, srv, serve(t, srv))
	listener, err := client.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	if got := srv.Forwards(); len(got) != 1 || got[0] != addr {
		t.Errorf("forwards %v, want %s", got, addr)
	}
	if _, err := client.Listen("tcp", addr); err == nil {
		t.Error("the same port twice")
	}
	visitor, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	inside, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := inside.RemoteAddr().String(), visitor.LocalAddr().String(); got != want {
		t.Errorf("originator %s, want %s", got, want)
	}
	go func() {
		io.WriteString(inside, sshtest.Digest(inside))
		inside.Close()
	}()
	exchange(t, visitor, 1<<20)
	if err := listener.Close(); err != nil {
		t.Errorf("cancel: %v", err)
	}
	sshtest.Eventually(t, patience, "the forward is gone", func() bool { return len(srv.Forwards()) == 0 })
	if _, err := client.Listen("tcp", addr); err != nil {
		t.Errorf("the same port after cancel: %v", err)
	}
}

func TestKillAndServeAgain(t *testing.T) {
	sshtest.Leaks(t)
	key, _ := sshtest.NewKey(t)
	srv := &sshserver.Server{AuthorizedKeys: []ssh.PublicKey{key.PublicKey()}}
	stop := sshtest.Serve(t, srv)
	config := &ssh.ClientConfig{Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(srv.HostKeys()[0])}
	client := dial(t, srv, config)
	conn, err := client.Dial("tcp", sshtest.Script(t, sshtest.Silent).Addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if n := srv.KillConnections(); n != 1 {
		t.Errorf("%d killed", n)
	}
	if client.Wait() == nil {
		t.Error("the client noticed nothing")
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a channel survived")
	}
	sshtest.Eventually(t, patience, "all is over", func() bool { return srv.Connections() == 0 && len(srv.Forwards()) == 0 })
	addr := srv.Addr()
	dial(t, srv, config)
	stop()
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("it answers after its end")
	}
	sshtest.Serve(t, srv)
	if srv.Addr() != addr {
		t.Errorf("now on %s, before on %s", srv.Addr(), addr)
	}
	dial(t, srv, config)
}

func TestSetHostKeys(t *testing.T) {
	srv := &sshserver.Server{}
	config := serve(t, srv)
	dial(t, srv, config)
	key, _ := sshtest.NewKey(t)
	srv.SetHostKeys(key)
	before := len(srv.Attempts())
	if _, err := ssh.Dial("tcp", srv.Addr(), config); err == nil || !strings.Contains(err.Error(), "host key mismatch") {
		t.Errorf("with another host key: %v", err)
	}
	if got := srv.Attempts()[before:]; len(got) != 0 {
		t.Errorf("authentication was sent to it: %v", got)
	}
	config.HostKeyCallback = ssh.FixedHostKey(key.PublicKey())
	dial(t, srv, config)
}
