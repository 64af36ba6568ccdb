package link_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

// once are the messages of the events, each once.
func (r *recorder) once() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if !slices.Contains(all, e.Message) {
			all = append(all, e.Message)
		}
	}
	return all
}

func trace(t *testing.T, tg link.Target, trials ...link.Trial) (*recorder, error) {
	t.Helper()
	l, r := link.New(tg), &recorder{}
	l.Events = r.add
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	failures, err := l.Trace(ctx, trials...)
	if s := l.Status().State; s != link.Down {
		t.Errorf("the link is %s", s)
	}
	return r, errors.Join(append(failures, err)...)
}

func TestTrace(t *testing.T) {
	sshtest.Leaks(t)
	d, backend := sshtest.StartSSHD(t), sshtest.Echo(t)
	tg := sshdTarget(t, d)
	tg.Host = "localhost"
	wrong, path := sshtest.NewKey(t)
	tg.Credentials.Files = []string{path, d.ClientKey}
	r, err := trace(t, tg, link.Trial{Host: "127.0.0.1", Port: portOf(t, backend.Addr)}, link.Trial{Listen: true, Host: "localhost"}, link.Trial{Host: "127.0.0.1", Port: 1})
	if fault.CodeOf(err) != fault.TargetRefused {
		t.Errorf("%v, want the refusal of port 1", err)
	}
	want := []string{"resolved", "connected", "versions exchanged", "server offers", "we offer", "algorithms agreed", "host key verified",
		"authentication attempt", "authenticated", "server listens", "stream opened", "trial failed"}
	got := slices.DeleteFunc(r.once(), func(m string) bool { return m == "address did not answer" }) // ::1
	slices.Sort(got[max(0, len(got)-3):])                                                            // the trials are made at once
	if !slices.Equal(got, want) {
		t.Errorf("steps\n%q, want\n%q", got, want)
	}
	for message, words := range map[string]string{
		"versions exchanged":     "SSH-2.0-OpenSSH_",
		"server offers":          "kex ",
		"we offer":               "kex mlkem768x25519-sha256,",
		"algorithms agreed":      " ssh-ed25519 " + ssh.CipherAES128GCM,
		"host key verified":      d.KnownHosts + ":1",
		"authentication attempt": ssh.FingerprintSHA256(wrong.PublicKey()),
		"authenticated":          d.ClientKey,
	} {
		if all := r.details(message); len(all) == 0 || !strings.Contains(all[0], words) {
			t.Errorf("%s: %q, want %q", message, all, words)
		}
	}
}

// The agreement that is told, which follows the rule, is the one that package ssh
// came to.
func TestAgreedIsTrue(t *testing.T) {
	sshtest.Leaks(t)
	for _, line := range []string{"", "Ciphers aes256-ctr\nMACs hmac-sha2-256", "KexAlgorithms ecdh-sha2-nistp256\nHostKeyAlgorithms rsa-sha2-256"} {
		d := sshtest.StartSSHD(t, line)
		l, r := serve(t, sshdTarget(t, d))
		p := await(t, l, link.Up).Peer
		words := strings.Fields(r.details("algorithms agreed")[0])
		if words[0] != p.KeyExchange || words[2] != p.Cipher {
			t.Errorf("with %q: told %q, it is %s %s", line, words, p.KeyExchange, p.Cipher)
		}
	}
}

// The last event of a connection that fails is the step that did.
func TestTraceTellsWhatFailed(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	other, key := sshtest.NewKey(t)
	changed := sshdTarget(t, d)
	changed.HostKeys.Files = []string{sshtest.KnownHosts(t, d.Addr, other.PublicKey())}
	for want, tg := range map[fault.Code]link.Target{
		fault.ConnectRefused: target(t, "127.0.0.1:1", "ana", key, key),
		fault.HostKeyChanged: changed,
	} {
		r, err := trace(t, tg)
		r.mu.Lock()
		last := r.events[len(r.events)-1]
		r.mu.Unlock()
		if f := fault.As(err); f == nil || f.Code != want || last.Message != "failed" || !errors.Is(err, last.Err) || last.Step != f.Step {
			t.Errorf("%v, last event %+v, want %s", err, last, want)
		}
	}
}
