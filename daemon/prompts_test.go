package daemon

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
	"tunneld/link"
	"tunneld/profiles"
)

// run starts one tunnel to srv, with the profile as edit leaves it, in a
// supervisor that does nothing else.
func run(t *testing.T, srv *sshserver.Server, edit func(*profiles.Profile)) (*Supervisor, *tunnel) {
	t.Helper()
	sshtest.Serve(t, srv)
	dir := t.TempDir()
	known := filepath.Join(dir, "known_hosts")
	data, err := os.ReadFile(sshtest.KnownHosts(t, srv.Addr(), srv.HostKeys()...))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(known, data, 0o600); err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(srv.Addr(), ":")
	text := "server = { host = '" + host + "', port = " + port + ", user = 'ana' }\nhost_key.known_hosts = ['" + known + "']\n" +
		"auth = { identity_files = ['" + filepath.Join(dir, "none") + "'], agent = 'none' }\n" +
		"link = { reconnect_min = '20ms', reconnect_max = '50ms' }\n"
	file := filepath.Join(dir, "work.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Supervisor{Loader: &profiles.Loader{Dir: dir, Env: profiles.Environment{User: "ana", Home: dir}}}
	s.init()
	set, problems := s.Loader.LoadFile(file)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	p, _ := set.Profile("work")
	edit(&p)
	ctx, cancel := context.WithCancel(context.Background())
	tn := newTunnel(ctx, p, s.house())
	s.tunnels["work"] = tn
	tn.start()
	t.Cleanup(func() {
		cancel()
		<-tn.stop()
	})
	return s, tn
}

// prompt waits for a question other than the one with the id.
func (s *Supervisor) prompt(t *testing.T, not string) control.Prompt {
	t.Helper()
	var found control.Prompt
	sshtest.Eventually(t, patience, "a prompt", func() bool {
		all := s.Prompts()
		if len(all) == 1 && all[0].ID != not {
			found = all[0]
		}
		return found.ID != ""
	})
	return found
}

func (s *Supervisor) reply(t *testing.T, p control.Prompt, answers ...string) {
	t.Helper()
	if err := s.Answer(context.Background(), control.Answer{ID: p.ID, Answers: answers}); err != nil {
		t.Fatal(err)
	}
}

func awaitState(t *testing.T, tn *tunnel, want link.State) {
	t.Helper()
	sshtest.Eventually(t, patience, "link "+string(want), func() bool { return tn.link.Status().State == want })
}

// awaitNoConnection waits until the server has noticed that a blocked link holds
// none.
func awaitNoConnection(t *testing.T, srv *sshserver.Server) {
	t.Helper()
	sshtest.Eventually(t, patience, "no connection", func() bool { return srv.Connections() == 0 })
}

// A typed password stays until the server rejects it: a reconnect asks nobody.
func TestPasswordIsAskedOnce(t *testing.T) {
	sshtest.Leaks(t)
	srv := &sshserver.Server{Password: func(_, password string) error {
		if password != "secret" {
			return errors.New("no")
		}
		return nil
	}}
	s, tn := run(t, srv, func(p *profiles.Profile) { p.Auth.Methods = []string{"password"} })
	p := s.prompt(t, "")
	if p.Code != fault.NeedsPassword || p.Profile != "work" || len(p.Prompts) != 1 || p.Prompts[0].Echo {
		t.Errorf("prompt %+v", p)
	}
	awaitNoConnection(t, srv)
	s.reply(t, p, "wrong")
	p = s.prompt(t, p.ID)
	s.reply(t, p, "secret")
	awaitState(t, tn, link.Up)
	srv.KillConnections()
	sshtest.Eventually(t, patience, "reconnect", func() bool { return tn.link.Status().Reconnects == 1 })
	if left := s.Prompts(); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
}

// Two rounds of keyboard-interactive: the first question is kept without a
// connection, the second waits in the attempt; both are asked anew at every
// reconnect.
func TestCodesAreUsedOnce(t *testing.T) {
	sshtest.Leaks(t)
	srv := &sshserver.Server{KeyboardInteractive: func(_ string, ask ssh.KeyboardInteractiveChallenge) error {
		first, err := ask("Login", "", []string{"User code: "}, []bool{true})
		if err != nil || first[0] != "one" {
			return errors.New("no")
		}
		second, err := ask("", "Look at your \x1b[31mtoken", []string{"Token: "}, []bool{false})
		if err != nil || second[0] != "two" {
			return errors.New("no")
		}
		return nil
	}}
	s, tn := run(t, srv, func(p *profiles.Profile) { p.Auth.Methods = []string{"keyboard-interactive"} })
	for range 2 {
		first := s.prompt(t, "")
		if first.Code != fault.NeedsCode || first.Name != "Login" || !first.Prompts[0].Echo {
			t.Errorf("prompt %+v", first)
		}
		awaitNoConnection(t, srv)
		s.reply(t, first, "one")
		second := s.prompt(t, first.ID)
		if second.Instruction != "Look at your [31mtoken" || second.Prompts[0].Echo {
			t.Errorf("prompt %+v", second)
		}
		if err := s.Answer(context.Background(), control.Answer{ID: second.ID}); fault.CodeOf(err) != fault.NeedsCode || !strings.Contains(fault.HintOf(err), "unlock work") {
			t.Errorf("no answers at all: %v, hint %q", err, fault.HintOf(err))
		}
		s.reply(t, second, "two")
		awaitState(t, tn, link.Up)
		srv.KillConnections()
	}
	awaitState(t, tn, link.Blocked)
}

// A locked key is asked for when the server would take it, and stays unlocked.
func TestPassphrase(t *testing.T) {
	sshtest.Leaks(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("open sesame"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "id")
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	srv := &sshserver.Server{PublicKey: func(string, ssh.PublicKey) error { return nil }}
	s, tn := run(t, srv, func(p *profiles.Profile) { p.Auth.IdentityFiles = []string{file} })
	p := s.prompt(t, "")
	if p.Code != fault.NeedsPassphrase || !strings.Contains(p.Prompts[0].Text, file) {
		t.Errorf("prompt %+v", p)
	}
	for n := range 3 { // wrong ones, after which the question is kept as before
		s.reply(t, p, "open barley")
		p = s.prompt(t, p.ID)
		if again := p.Instruction != ""; again != (n < 2) {
			t.Errorf("prompt %+v after %d", p, n+1)
		}
	}
	s.reply(t, p, "open sesame")
	awaitState(t, tn, link.Up)
	srv.KillConnections()
	sshtest.Eventually(t, patience, "reconnect", func() bool { return tn.link.Status().Reconnects == 1 })
}

// An unknown host key waits for its fingerprint, a changed one for more.
func TestTrust(t *testing.T) {
	sshtest.Leaks(t)
	srv := &sshserver.Server{PublicKey: func(string, ssh.PublicKey) error { return nil }}
	_, key := sshtest.NewKey(t)
	var known string
	s, tn := run(t, srv, func(p *profiles.Profile) {
		p.Auth.IdentityFiles = []string{key}
		known = p.HostKey.KnownHosts[0]
		if err := os.Remove(known); err != nil {
			t.Fatal(err)
		}
	})
	p := s.prompt(t, "")
	shown := ssh.FingerprintSHA256(srv.HostKeys()[0])
	if p.Code != fault.HostKeyUnknown || p.HostKey == nil || p.HostKey.Fingerprint != shown || len(p.HostKey.Known) != 0 {
		t.Fatalf("prompt %+v", p)
	}
	if err := s.Answer(context.Background(), control.Answer{ID: p.ID, Answers: []string{"SHA256:other"}}); fault.CodeOf(err) != fault.HostKeyUnknown || !strings.Contains(fault.HintOf(err), "trust work") {
		t.Errorf("another fingerprint: %v, hint %q", err, fault.HintOf(err))
	}
	s.reply(t, p, shown)
	awaitState(t, tn, link.Up)
	other, _ := sshtest.NewKey(t)
	srv.SetHostKeys(other)
	srv.KillConnections()
	awaitState(t, tn, link.Refused)
	p = s.prompt(t, "")
	shown = ssh.FingerprintSHA256(other.PublicKey())
	if p.Code != fault.HostKeyChanged || len(p.HostKey.Known) != 1 || p.HostKey.Known[0].At != known+":1" {
		t.Fatalf("prompt %+v", p)
	}
	if err := s.Answer(context.Background(), control.Answer{ID: p.ID, Answers: []string{shown}}); fault.CodeOf(err) != fault.HostKeyChanged {
		t.Errorf("without replace: %v", err)
	}
	if err := s.Answer(context.Background(), control.Answer{ID: p.ID, Answers: []string{shown}, Replace: true}); err != nil {
		t.Fatal(err)
	}
	awaitState(t, tn, link.Up)
}
