package identity_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/identity"
	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
)

var errWrong = errors.New("wrong")

// account is a server's side of a password.
type account struct {
	mu       sync.Mutex
	password string
	got      []string
}

func (a *account) check(_, p string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.got = append(a.got, p); p != a.password {
		return errWrong
	}
	return nil
}

// sent returns the passwords that came since the last call.
func (a *account) sent() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() { a.got = nil }()
	return a.got
}

func (a *account) change(p string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.password = p
}

func passwordServer() (*sshserver.Server, *account) {
	a := &account{password: hidden}
	return &sshserver.Server{Password: a.check}, a
}

var byPassword = identity.Credentials{Methods: []string{"publickey", "password"}, Password: "env:PW"}

func TestStoredPassword(t *testing.T) {
	sshtest.Leaks(t)
	srv, account := passwordServer()
	p := servePlace(t, srv)
	reads := 0
	c := byPassword
	c.Secrets = stored(hidden, &reads)
	o := logIn(t, p, c)
	if o.err != nil || o.login.Method != "password" || o.login.From != "env:PW" || o.login.Fingerprint != "" {
		t.Errorf("%v, %+v", o.err, o.login)
	}
	account.sent()
	c.Secrets, c.Asker = stored("stale", &reads), &person{}
	logIn(t, p, c).wants(t, fault.AuthRejected, "password from env:PW")
	if got := account.sent(); len(got) != 1 {
		t.Errorf("%d passwords were sent", len(got))
	}
	c.Secrets = stored("", &reads)
	logIn(t, p, c).wants(t, fault.AuthRejected, "env:PW: it is empty")
	if got := account.sent(); len(got) != 0 {
		t.Errorf("sent %q", got)
	}
}

// The password stays here where the profile does not name the method.
func TestPasswordIsNotNamed(t *testing.T) {
	sshtest.Leaks(t)
	srv, account := passwordServer()
	srv.PublicKey = func(string, ssh.PublicKey) error { return errWrong }
	p := servePlace(t, srv)
	reads := 0
	c := only(newKey(t, "", "-t", "ed25519"))
	c.Password, c.Secrets = "env:PW", stored(hidden, &reads)
	logIn(t, p, c).wants(t, fault.AuthRejected, "server accepts password, publickey", `auth.methods = ["publickey", "password"]`)
	srv2, _ := passwordServer()
	logIn(t, servePlace(t, srv2), c).wants(t, fault.AuthRejected, "password, not publickey", `auth.methods = ["publickey", "password"]`)
	if got := account.sent(); len(got) != 0 || reads != 0 {
		t.Errorf("sent %q, %d reads", got, reads)
	}
}

func TestTypedPassword(t *testing.T) {
	sshtest.Leaks(t)
	srv, account := passwordServer()
	p := servePlace(t, srv)
	c := byPassword
	c.Password = "prompt"
	o := logIn(t, p, c)
	o.wants(t, fault.NeedsPassword)
	if q := unanswered(t, o.err); q.Code != fault.NeedsPassword || len(q.Prompts) != 1 || q.Prompts[0].Echo {
		t.Errorf("%+v", q)
	}
	who := &person{answers: [][]string{{"first"}, {hidden}}}
	c.Asker, c.Memory = who, new(identity.Memory)
	if o := logIn(t, p, c); o.err != nil || o.login.From != "a person" || who.questions[1].Instruction == "" {
		t.Errorf("%v, %+v, %+v", o.err, o.login, who.questions)
	}
	if o := logIn(t, p, c); o.err != nil || o.login.From != "memory" {
		t.Errorf("%v, %+v", o.err, o.login)
	}
	if got := account.sent(); strings.Join(got, " ") != "first "+hidden+" "+hidden {
		t.Errorf("sent %q", got)
	}
	account.change("new")
	logIn(t, p, c).wants(t, fault.NeedsPassword)
	who.answers = [][]string{{"1"}, {"2"}, {"3"}, {"4"}}
	logIn(t, p, c).wants(t, fault.AuthRejected, "password from a person")
	if len(who.answers) != 1 {
		t.Errorf("asked %d times, want 3", 4-len(who.answers))
	}
	who.answers = nil
	logIn(t, p, c).wants(t, fault.NeedsPassword) // the rejected one is forgotten
}

// A key, then a password: both are needed (AuthenticationMethods of sshd).
func TestPartialSuccess(t *testing.T) {
	sshtest.Leaks(t)
	first, second := newKey(t, "", "-t", "ed25519"), newKey(t, "", "-t", "ed25519")
	srv := &sshserver.Server{PublicKey: func(_ string, key ssh.PublicKey) error {
		if ssh.FingerprintSHA256(key) != fingerprint(t, second) {
			return errWrong
		}
		return &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{
			PasswordCallback: func(_ ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
				if string(p) != hidden {
					return nil, errWrong
				}
				return nil, nil
			},
		}}
	}}
	p := servePlace(t, srv)
	reads := 0
	c := identity.Credentials{
		Methods: []string{"password", "publickey"}, Files: []string{first, second}, Named: true,
		Password: "env:PW", Secrets: stored(hidden, &reads),
	}
	o := logIn(t, p, c)
	if o.err != nil || o.login.Method != "password" || strings.Count(o.told, string(identity.Partial)) != 1 {
		t.Errorf("%v, %+v, %s", o.err, o.login, o.told)
	}
	c.Methods = nil
	logIn(t, p, c).wants(t, fault.AuthRejected, "the server accepts password", fingerprint(t, second), `auth.methods = ["publickey", "password"]`)
}

// sshd hangs up instead of answering when MaxAuthTries is reached: a password
// without an answer is as good as a wrong one, and not sent again unasked.
func TestPasswordWithoutAnswer(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t, "MaxAuthTries 1", "PasswordAuthentication yes")
	c := byPassword
	c.Password, c.Memory, c.Methods = "prompt", new(identity.Memory), []string{"password"}
	c.Asker = &person{answers: [][]string{{"wrong"}}}
	if o := logIn(t, sshdPlace(d), c); o.err == nil {
		t.Fatal("logged in with a wrong password")
	}
	logIn(t, sshdPlace(d), c).wants(t, fault.NeedsPassword)

	srv, account := passwordServer()
	var hangsUp atomic.Bool
	srv.Password = func(user, p string) error {
		if hangsUp.Load() {
			srv.KillConnections()
		}
		return account.check(user, p)
	}
	p := servePlace(t, srv)
	c.Asker = &person{answers: [][]string{{hidden}}}
	if o := logIn(t, p, c); o.err != nil {
		t.Fatal(o.err)
	}
	hangsUp.Store(true)
	if o := logIn(t, p, c); o.err == nil {
		t.Fatal("logged in to a server that hangs up")
	}
	hangsUp.Store(false)
	logIn(t, p, c).wants(t, fault.NeedsPassword)
	if got := account.sent(); len(got) != 2 {
		t.Errorf("sent %q", got)
	}
}

// Of two factors the password counts once it is accepted as one.
func TestPasswordAsFirstFactor(t *testing.T) {
	sshtest.Leaks(t)
	srv, account := passwordServer()
	srv.Password = func(user, p string) error {
		if err := account.check(user, p); err != nil {
			return err
		}
		return &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{
			PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, errWrong },
		}}
	}
	p := servePlace(t, srv)
	c := byPassword
	c.Password, c.Memory, c.Asker = "prompt", new(identity.Memory), &person{answers: [][]string{{hidden}}}
	for range 2 { // the second time without a person
		logIn(t, p, c).wants(t, fault.AuthRejected, "publickey")
	}
	if got := account.sent(); len(got) != 2 {
		t.Errorf("sent %q", got)
	}
}
