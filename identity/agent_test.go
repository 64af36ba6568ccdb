package identity_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"tunneld/fault"
	"tunneld/identity"
	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
)

// serveAgent answers on a socket until the test ends.
func serveAgent(t *testing.T, a agent.Agent) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent") // short: a socket's path has a limit
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
		os.RemoveAll(dir)
	})
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				agent.ServeAgent(a, conn)
				conn.Close()
			})
		}
	})
	return socket
}

func TestAgent(t *testing.T) {
	sshtest.Leaks(t)
	d := newSSHD(t)
	open, locked := newKey(t, "", "-t", "ed25519"), newKey(t, hidden, "-t", "ed25519")
	authorize(t, d, open)
	a := sshtest.Agent(t, open)
	c := identity.Credentials{Agent: a.Socket}
	if o := logIn(t, sshdPlace(d), c); o.err != nil || o.login.From != "agent" {
		t.Fatalf("%v, %+v", o.err, o.login)
	}
	signature := c.AgentSignature(t.Context())
	a.Kill()
	logIn(t, sshdPlace(d), c).wants(t, fault.AgentUnavailable, "ssh-agent")
	if got := c.AgentSignature(t.Context()); got == signature || got != "" {
		t.Errorf("signature of a dead agent: %q", got)
	}
	withFile := identity.Credentials{Agent: a.Socket, Files: []string{open}, Named: true}
	if o := logIn(t, sshdPlace(d), withFile); o.err != nil || o.login.From != open {
		t.Errorf("a key file beside a dead agent: %v, %+v", o.err, o.login)
	}
	again := sshtest.Agent(t, open)
	os.Remove(a.Socket)
	if err := os.Symlink(again.Socket, a.Socket); err != nil { // restarted at the same path
		t.Fatal(err)
	}
	if o := logIn(t, sshdPlace(d), c); o.err != nil {
		t.Errorf("the agent is back: %v", o.err)
	}
	if c.AgentSignature(t.Context()) != signature {
		t.Error("another signature for the same keys")
	}
	logIn(t, sshdPlace(d), identity.Credentials{Agent: a.Socket, Files: []string{locked}, Named: true, IdentitiesOnly: true}).
		wants(t, fault.AuthRejected, fingerprint(t, locked)) // and not the agent's key
}

// fullAgent is an agent with n keys; it returns the last one's path.
func fullAgent(t *testing.T, n int) (a agent.Agent, last string) {
	t.Helper()
	a = agent.NewKeyring()
	for range n - 1 {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Add(agent.AddedKey{PrivateKey: &key}); err != nil {
			t.Fatal(err)
		}
	}
	last = newKey(t, "", "-t", "ed25519")
	key, err := ssh.ParseRawPrivateKey(read(t, last))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	return a, last
}

func TestThousandKeysInTheAgent(t *testing.T) {
	sshtest.Leaks(t)
	keys, last := fullAgent(t, 1000)
	d := newSSHD(t)
	authorize(t, d, last)
	socket := serveAgent(t, keys)
	o := logIn(t, sshdPlace(d), identity.Credentials{Agent: socket})
	o.wants(t, fault.AuthRejected)
	if n := strings.Count(o.told, "authentication attempt"); n != 5 {
		t.Errorf("%d keys offered, want 5", n)
	}
	os.Remove(last) // the public half alone selects the agent's key
	for _, path := range []string{last, last + ".pub"} {
		for _, onlyIt := range []bool{true, false} {
			c := identity.Credentials{Agent: socket, Files: []string{path}, Named: true, IdentitiesOnly: onlyIt}
			if o := logIn(t, sshdPlace(d), c); o.err != nil || strings.Contains(o.told, "attempt") {
				t.Errorf("%s: %v, %s", path, o.err, o.told)
			}
		}
	}
}

// securityKey is an agent with a FIDO key, in software (OpenSSH PROTOCOL.u2f).
type securityKey struct {
	agent.Agent
	private ed25519.PrivateKey
	refuse  bool
}

const application = "ssh:"

func (k *securityKey) blob() []byte {
	return ssh.Marshal(struct {
		Type   string
		Public []byte
		App    string
	}{ssh.KeyAlgoSKED25519, k.private.Public().(ed25519.PublicKey), application})
}

func (k *securityKey) List() ([]*agent.Key, error) {
	return []*agent.Key{{Format: ssh.KeyAlgoSKED25519, Blob: k.blob(), Comment: "token"}}, nil
}

func (k *securityKey) SignWithFlags(_ ssh.PublicKey, data []byte, _ agent.SignatureFlags) (*ssh.Signature, error) {
	if k.refuse {
		return nil, errors.New("not touched")
	}
	const presence = 1
	app, digest, tail := sha256.Sum256([]byte(application)), sha256.Sum256(data), []byte{presence, 0, 0, 0, 7}
	message := append(append(append([]byte{}, app[:]...), tail...), digest[:]...)
	return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(k.private, message), Rest: tail}, nil
}

func (k *securityKey) Extension(string, []byte) ([]byte, error) {
	return nil, agent.ErrExtensionUnsupported
}
func (k *securityKey) Sign(key ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	return k.SignWithFlags(key, data, 0)
}

func TestSecurityKey(t *testing.T) {
	sshtest.Leaks(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	token := &securityKey{Agent: agent.NewKeyring(), private: private}
	public, err := ssh.ParsePublicKey(token.blob())
	if err != nil {
		t.Fatal(err)
	}
	d := newSSHD(t)
	write(t, d.AuthorizedKeys, ssh.MarshalAuthorizedKey(public))
	c := identity.Credentials{Agent: serveAgent(t, token)}
	if o := logIn(t, sshdPlace(d), c); o.err != nil || o.login.Type != ssh.KeyAlgoSKED25519 {
		t.Errorf("%v, %+v", o.err, o.login)
	}
	// The file that ssh-keygen writes holds a handle: the agent has the key.
	handle := filepath.Join(t.TempDir(), "id_ed25519_sk")
	write(t, handle, pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: []byte("openssh-key-v1\x00")}))
	write(t, handle+".pub", ssh.MarshalAuthorizedKey(public))
	c.Files, c.Named, c.IdentitiesOnly = []string{handle}, true, true
	if o := logIn(t, sshdPlace(d), c); o.err != nil || !strings.HasPrefix(o.login.From, handle) {
		t.Errorf("%v, %+v", o.err, o.login)
	}
	without := c
	without.Agent = ""
	logIn(t, sshdPlace(d), without).wants(t, fault.AgentUnavailable, "security key", "ssh-add "+handle)
	token.refuse = true
	logIn(t, sshdPlace(d), c).wants(t, fault.AgentUnavailable, "signing", "touched")
}

// sha1Agent signs with SHA-1 whatever it is asked for, as agents before 2016.
type sha1Agent struct{ agent.ExtendedAgent }

func (a sha1Agent) SignWithFlags(key ssh.PublicKey, data []byte, _ agent.SignatureFlags) (*ssh.Signature, error) {
	return a.ExtendedAgent.SignWithFlags(key, data, 0)
}

func TestAgentThatSignsWithSHA1(t *testing.T) {
	sshtest.Leaks(t)
	path := newKey(t, "", "-t", "rsa", "-b", "2048")
	key, err := ssh.ParseRawPrivateKey(read(t, path))
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring().(agent.ExtendedAgent)
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	srv := &sshserver.Server{PublicKey: func(string, ssh.PublicKey) error { return nil }}
	p := servePlace(t, srv)
	logIn(t, p, identity.Credentials{Agent: serveAgent(t, sha1Agent{ring})}).wants(t, fault.AgentUnavailable, "ssh-rsa", "rsa-sha2-512")
}

// silentSocket accepts connections and never says a word.
func silentSocket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "silent")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		listener.Close()
		os.RemoveAll(dir)
	})
	return listener.Addr().String()
}

func TestAgentThatHangs(t *testing.T) {
	sshtest.NeedUnix(t, "Unix sockets")
	sshtest.Leaks(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	login := identity.Credentials{Agent: silentSocket(t)}.Begin(ctx)
	defer login.Close()
	if p := login.Problems(); len(p) != 1 || p[0].Code != fault.AgentUnavailable {
		t.Errorf("%v", p)
	}
}
