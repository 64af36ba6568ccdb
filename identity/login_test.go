package identity_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/identity"
	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

// patience bounds every wait of these tests, on a machine that runs others.
const patience = 30 * time.Second

// hidden is the secret of every test: it must not turn up anywhere.
const hidden = "correct-horse-7261"

// place is a server to log in to.
type place struct{ addr, user, knownHosts string }

func sshdPlace(d *sshtest.SSHD) place { return place{d.Addr, d.User, d.KnownHosts} }

func servePlace(t *testing.T, srv *sshserver.Server) place {
	t.Helper()
	sshtest.Serve(t, srv)
	return place{srv.Addr(), "ana", sshtest.KnownHosts(t, srv.Addr(), srv.HostKeys()...)}
}

// outcome is how a login ended and what was told on the way.
type outcome struct {
	login identity.Attempt
	err   error
	told  string
}

func (o outcome) wants(t *testing.T, code fault.Code, words ...string) {
	t.Helper()
	if fault.CodeOf(o.err) != code {
		t.Errorf("code %q, want %q: %v", fault.CodeOf(o.err), code, o.err)
		return
	}
	text := fmt.Sprint(o.err) + " hint: " + fault.HintOf(o.err)
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in: %s", w, text)
		}
	}
}

// logIn makes one login through a link and looks for the secret in all that it
// says.
func logIn(t *testing.T, p place, c identity.Credentials) outcome {
	t.Helper()
	host, service, err := net.SplitHostPort(p.addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(service)
	if err != nil {
		t.Fatal(err)
	}
	l := link.New(link.Target{
		Host: host, Port: port, User: p.user,
		HostKeys:    identity.HostKeys{Files: []string{p.knownHosts}},
		Credentials: c, ConnectTimeout: patience,
		Backoff: link.Backoff{Min: time.Hour, Max: time.Hour}, RefusedRetry: time.Hour,
	})
	var mu sync.Mutex
	var told strings.Builder
	l.Events = func(e link.Event) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&told, "%+v\n", e)
	}
	stop := sshtest.Run(t, l)
	var s link.Status
	sshtest.Eventually(t, 2*patience, "the login is over", func() bool {
		s = l.Status()
		return s.State == link.Up || s.Err != nil
	})
	stop()
	mu.Lock()
	defer mu.Unlock()
	o := outcome{s.Peer.Login, s.Err, told.String()}
	if text := fmt.Sprintf("%+v %#v %s", o, o, fault.HintOf(o.err)); strings.Contains(text, hidden) {
		t.Errorf("the secret is told: %s", text)
	}
	if s.State == link.Up {
		o.err = nil
	}
	return o
}

// person answers questions, one list after the other, and keeps them.
type person struct {
	mu        sync.Mutex
	answers   [][]string
	questions []identity.Question
}

func (p *person) Ask(_ context.Context, q identity.Question) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.questions = append(p.questions, q)
	if len(p.answers) == 0 {
		return nil, identity.ErrNobody
	}
	next := p.answers[0]
	p.answers = p.answers[1:]
	return next, nil
}

// keygen runs ssh-keygen.
func keygen(t *testing.T, args ...string) {
	t.Helper()
	sshtest.NeedUnix(t, "ssh-keygen")
	cmd := exec.Command("ssh-keygen", append([]string{"-q"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen %q: %v: %s", args, err, out)
	}
}

// newKey makes a key with ssh-keygen and returns its path.
func newKey(t *testing.T, passphrase string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	keygen(t, append([]string{"-N", passphrase, "-C", "test", "-a", "1", "-f", path}, args...)...)
	return path
}

func newSSHD(t *testing.T, extra ...string) *sshtest.SSHD {
	t.Helper()
	return sshtest.StartSSHD(t, extra...)
}

// authorize lets the keys in, and no other.
func authorize(t *testing.T, d *sshtest.SSHD, keys ...string) {
	t.Helper()
	var lines []byte
	for _, k := range keys {
		lines = append(lines, read(t, k+".pub")...)
	}
	write(t, d.AuthorizedKeys, lines)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func fingerprint(t *testing.T, path string) string {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey(read(t, path+".pub"))
	if err != nil {
		t.Fatal(err)
	}
	return ssh.FingerprintSHA256(key)
}

// only offers one key file and nothing else.
func only(path string) identity.Credentials {
	return identity.Credentials{Files: []string{path}, Named: true, IdentitiesOnly: true}
}

// stored reads every variable of the environment as value, and counts.
func stored(value string, reads *int) identity.Source {
	return identity.Source{Getenv: func(string) string { *reads++; return value }}
}

func unanswered(t *testing.T, err error) identity.Question {
	t.Helper()
	var u *identity.Unanswered
	if !errors.As(err, &u) || !errors.Is(err, identity.ErrNobody) {
		t.Fatalf("no question in %v", err)
	}
	return u.Question
}
