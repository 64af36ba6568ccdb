package link_test

import (
	"crypto/rand"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/identity"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// learned returns a known_hosts file with the server alone: a line with several
// names would not be rotated.
func learned(t *testing.T, addr string, key ssh.PublicKey) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	h := identity.HostKeys{Files: []string{t.TempDir() + "/known_hosts"}}
	if _, err := h.Learn("["+host+"]:"+port, key); err != nil {
		t.Fatal(err)
	}
	return h.Files[0]
}

// known counts the keys that a profile accepts of the server.
func known(t *testing.T, tg link.Target, keys []ssh.PublicKey) (n int) {
	t.Helper()
	k, err := tg.HostKeys.Lookup(tg.Host, tg.Port)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if _, err := k.Check(key, time.Now()); err == nil {
			n++
		}
	}
	return n
}

func TestHostKeysLearned(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	tg := sshdTarget(t, d)
	tg.HostKeys.Files = []string{learned(t, d.Addr, d.HostKeys[0])}
	before := read(t, tg.HostKeys.Files[0])
	l, _ := serve(t, tg)
	await(t, l, link.Up)
	if known(t, tg, d.HostKeys) != 1 || read(t, tg.HostKeys.Files[0]) != before {
		t.Error("keys were learned unasked")
	}
	tg.UpdateHostKeys = true
	hop := sshdTarget(t, sshtest.StartSSHD(t))
	tg.Jumps = []link.Target{hop}
	l, r := serve(t, tg)
	sshtest.Eventually(t, patience, "the other keys", func() bool { return len(r.details("host keys learned")) == 1 })
	if n := known(t, tg, d.HostKeys); n != len(d.HostKeys) {
		t.Errorf("%d keys are known", n)
	}
	for _, key := range d.HostKeys[1:] {
		if text := r.details("host keys learned")[0]; !strings.Contains(text, ssh.FingerprintSHA256(key)) {
			t.Errorf("%q names no %s", text, key.Type())
		}
	}
	l.Restart() // nothing is left to learn
	sshtest.Eventually(t, patience, "reconnect", func() bool { return l.Status().Reconnects == 1 })
}

// A server that names keys of others, or nonsense, teaches nothing, and the link
// stays up.
func TestHostKeysNotProved(t *testing.T) {
	sshtest.Leaks(t)
	own, _ := sshtest.NewKey(t)
	other, _ := sshtest.NewKey(t)
	_, key := sshtest.NewKey(t)
	for what, payload := range map[string][]byte{
		"not proved": identity.ProofRequest([]ssh.PublicKey{own.PublicKey(), other.PublicKey()}),
		"nonsense":   []byte("\xff\xff\xff\xff"),
	} {
		t.Run(what, func(t *testing.T) {
			for _, proves := range []bool{false, true} {
				named := make(chan struct{}, 1)
				srv := sshtest.Script(t, func(c net.Conn) { rotate(c, own, payload, proves, named) })
				tg := target(t, srv.Addr, "ana", key, learned(t, srv.Addr, own.PublicKey()))
				tg.UpdateHostKeys = true
				before := read(t, tg.HostKeys.Files[0])
				l, r := serve(t, tg)
				select {
				case <-named:
				case <-time.After(patience):
					t.Fatal("the server could not name its keys again")
				}
				sshtest.Eventually(t, patience, "a complaint", func() bool { return len(r.details("host keys not learned")) > 0 })
				if n := len(r.details("host keys not learned")); n != 1 {
					t.Errorf("%d complaints", n)
				}
				if s := l.Status(); s.State != link.Up || s.Reconnects != 0 || read(t, tg.HostKeys.Files[0]) != before {
					t.Errorf("%s after %d reconnects", s.State, s.Reconnects)
				}
			}
		})
	}
}

// rotate is a server that names host keys, again and again, and proves them,
// where it does, with the wrong key. It tells named when the client has lived
// with that for a while.
func rotate(c net.Conn, own ssh.Signer, payload []byte, proves bool, named chan<- struct{}) {
	config := &ssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(own)
	conn, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	defer conn.Close()
	go func() {
		for nc := range channels {
			nc.Reject(ssh.Prohibited, "no")
		}
	}()
	conn.SendRequest("hostkeys-00@openssh.com", false, payload)
	sent := 1
	for r := range requests {
		if r.Type == "hostkeys-prove-00@openssh.com" {
			sig, _ := own.Sign(rand.Reader, []byte("something else"))
			r.Reply(proves, ssh.Marshal(struct{ Proof []byte }{ssh.Marshal(sig)}))
		} else if r.WantReply {
			r.Reply(false, nil)
		}
		if sent < 4 { // with every sign of life, such as keepalives
			sent++
			conn.SendRequest("hostkeys-00@openssh.com", false, payload)
		} else if r.WantReply {
			select {
			case named <- struct{}{}:
			default:
			}
		}
	}
}
