package link_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/identity"
	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

// forever sends text until the client has enough.
func forever(first, text string) func(net.Conn) {
	return func(c net.Conn) {
		io.WriteString(c, first)
		for {
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}
}

// hugeInit is a KEXINIT of a mebibyte.
func hugeInit() string {
	body := append([]byte{8, 20}, bytes.Repeat([]byte{'a'}, 1<<20)...)
	return "SSH-2.0-Huge\r\n" + string(binary.BigEndian.AppendUint32(nil, uint32(len(body)))) + string(body)
}

// Each ends with a code, in bounded time and memory, and is tried again.
func TestHostileOpenings(t *testing.T) {
	sshtest.Leaks(t)
	_, key := sshtest.NewKey(t)
	none := sshtest.KnownHosts(t, "127.0.0.1:1")
	for what, test := range map[string]struct {
		serve func(net.Conn)
		code  fault.Code
	}{
		"a line without end":   {forever("", strings.Repeat("x", 4096)), fault.NotSSH},
		"lines without end":    {forever("", "patience\r\n"), fault.NotSSH},
		"a version of 64 KiB":  {forever("SSH-2.0-", strings.Repeat("x", 4096)), fault.ClosedByServer},
		"a mebibyte of KEX":    {sshtest.Saying(hugeInit()), fault.ClosedByServer},
		"noise after version":  {forever("SSH-2.0-Noise\r\n", "noise"), fault.ClosedByServer},
		"escapes in a version": {sshtest.Saying("SSH-2.0-\x1b[31mRed\r\n"), fault.HandshakeTimeout},
	} {
		t.Run(what, func(t *testing.T) {
			tg := target(t, sshtest.Script(t, test.serve).Addr, "ana", key, none)
			tg.ConnectTimeout = time.Second
			l, r := serve(t, tg)
			err := failure(t, l)
			if fault.CodeOf(err) != test.code || len(err.Error()) > 1000 {
				t.Errorf("%v, want %s", err, test.code)
			}
			if strings.Contains(r.text(), "\x1b") {
				t.Errorf("an escape is told: %q", r.text())
			}
			await(t, l, link.Connecting)
		})
	}
}

// A server may say something at every attempt, but not for ever.
func TestEndlessBanners(t *testing.T) {
	sshtest.Leaks(t)
	srv := &sshserver.Server{
		MaxAuthTries: 100,
		Banner:       func(string) string { return strings.Repeat("read this \x1b[2J\n", 1000) },
		PublicKey: func(string, ssh.PublicKey) error {
			return &ssh.BannerError{Err: errors.New("no"), Message: "and this"}
		},
	}
	sshtest.Serve(t, srv)
	_, key := sshtest.NewKey(t)
	tg := target(t, srv.Addr(), "ana", key, sshtest.KnownHosts(t, srv.Addr(), srv.HostKeys()...))
	for range 25 {
		_, key := sshtest.NewKey(t)
		tg.Credentials.Files = append(tg.Credentials.Files, key)
	}
	l, r := serve(t, tg)
	if err := await(t, l, link.Refused).Err; !strings.Contains(err.Error(), "more than 20 banners") {
		t.Error(err)
	}
	for _, b := range r.details("banner") {
		if len(b) > 1000 || strings.Contains(b, "\x1b") {
			t.Errorf("banner of %d bytes: %.100q", len(b), b)
		}
	}
}

// A signer whose public key is larger than any real one.
type hugeKey struct {
	ssh.Signer
	size int
}

func (k hugeKey) PublicKey() ssh.PublicKey { return hugePublic{k.Signer.PublicKey(), k.size} }

type hugePublic struct {
	ssh.PublicKey
	size int
}

func (k hugePublic) Marshal() []byte {
	return append(k.PublicKey.Marshal(), make([]byte, k.size)...)
}

func TestHugeHostKey(t *testing.T) {
	sshtest.Leaks(t)
	own, _ := sshtest.NewKey(t)
	_, key := sshtest.NewKey(t)
	srv := &sshserver.Server{}
	srv.SetHostKeys(hugeKey{own, 200 << 10})
	sshtest.Serve(t, srv)
	l, _ := serve(t, target(t, srv.Addr(), "ana", key, sshtest.KnownHosts(t, srv.Addr(), own.PublicKey())))
	if err := failure(t, l); fault.As(err) == nil || len(err.Error()) > 1000 || len(srv.Attempts()) > 0 {
		t.Errorf("%v", err)
	}
}

// A server that drops the connection over what one client wants is not asked for
// it again and again: every time would cut all the others.
func TestOneClientCannotCutTheLinkForEver(t *testing.T) {
	sshtest.Leaks(t)
	var opens atomic.Int64
	srv := &sshserver.Server{PublicKey: func(string, ssh.PublicKey) error { return nil }}
	srv.Open = func(ssh.NewChannel) bool {
		opens.Add(1)
		srv.KillConnections()
		return true
	}
	sshtest.Serve(t, srv)
	_, key := sshtest.NewKey(t)
	l, _ := serve(t, target(t, srv.Addr(), "ana", key, sshtest.KnownHosts(t, srv.Addr(), srv.HostKeys()...)))
	if _, err := dial(t, l, "127.0.0.1:1", patience); fault.CodeOf(err) != fault.ClosedByServer {
		t.Errorf("%v, want %s", err, fault.ClosedByServer)
	}
	if n := opens.Load(); n != 2 {
		t.Errorf("opened %d times, want twice", n)
	}
}

// nobodyHome is an asker with a bug.
type nobodyHome struct{}

func (nobodyHome) Ask(context.Context, identity.Question) ([]string, error) { panic("nobody home") }

// A panic in one hop ends the connections to the hops below it.
func TestPanicLeavesNoHop(t *testing.T) {
	sshtest.Leaks(t)
	jump := &sshserver.Server{PublicKey: func(string, ssh.PublicKey) error { return nil }}
	last := &sshserver.Server{Password: func(string, string) error { return nil }}
	sshtest.Serve(t, jump)
	sshtest.Serve(t, last)
	_, key := sshtest.NewKey(t)
	tg := target(t, last.Addr(), "ana", key, sshtest.KnownHosts(t, last.Addr(), last.HostKeys()...))
	tg.Credentials.Methods, tg.Credentials.Asker = []string{"password"}, nobodyHome{}
	tg.Jumps = []link.Target{target(t, jump.Addr(), "ana", key, sshtest.KnownHosts(t, jump.Addr(), jump.HostKeys()...))}
	tg.Backoff = link.Backoff{Min: time.Hour, Max: time.Hour}
	l, _ := serve(t, tg)
	var p *fault.Panic
	if err := await(t, l, link.Waiting).Err; !errors.As(err, &p) {
		t.Errorf("%v, want a panic", err)
	}
	sshtest.Eventually(t, patience, "the end of all connections", func() bool { return jump.Connections() == 0 && last.Connections() == 0 })
}

// What is known of the server is read before a place among the logins is taken.
func TestKnownHostsAreReadBeforeAdmission(t *testing.T) {
	sshtest.Leaks(t)
	_, key := sshtest.NewKey(t)
	l := link.New(target(t, "127.0.0.1:1", "ana", key, t.TempDir()))
	l.Admit = func(context.Context, string) (func(), error) {
		t.Error("admitted")
		return func() {}, nil
	}
	if _, err := l.Trace(context.Background()); fault.CodeOf(err) != fault.KnownHostsUnreadable {
		t.Errorf("%v, want %s", err, fault.KnownHostsUnreadable)
	}
}
