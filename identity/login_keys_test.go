package identity_test

import (
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/identity"
	"tunneld/internal/sshtest"
)

// A person is asked for a key that the server accepts, and for no other.
func TestPassphraseIsAskedForTheRightKey(t *testing.T) {
	sshtest.Leaks(t)
	d := newSSHD(t)
	wrong, right := newKey(t, "other", "-t", "ed25519"), newKey(t, hidden, "-t", "ed25519")
	authorize(t, d, right)
	p := &person{answers: [][]string{{"no"}, {"nor this"}, {hidden}}}
	c := identity.Credentials{Files: []string{wrong, right}, Named: true, IdentitiesOnly: true, Asker: p, Memory: new(identity.Memory)}
	o := logIn(t, sshdPlace(d), c)
	if o.err != nil || len(p.questions) != 3 {
		t.Fatalf("%v, asked %+v", o.err, p.questions)
	}
	for i, q := range p.questions {
		if q.Code != fault.NeedsPassphrase || len(q.Prompts) != 1 || q.Prompts[0].Echo ||
			!strings.Contains(q.Prompts[0].Text, right) || (q.Instruction != "") != (i > 0) {
			t.Errorf("question %d: %+v", i, q)
		}
	}
	if o := logIn(t, sshdPlace(d), c); o.err != nil {
		t.Errorf("with the key in memory: %v", o.err)
	}
	c.Memory.Forget()
	o = logIn(t, sshdPlace(d), c)
	o.wants(t, fault.NeedsPassphrase, right)
	if q := unanswered(t, o.err); len(q.Prompts) != 1 || q.Code != fault.NeedsPassphrase {
		t.Errorf("%+v", q)
	}
	if !strings.Contains(o.told, string(identity.Unsigned)) {
		t.Errorf("the attempt is not told: %s", o.told)
	}
}

// A key that the server rejects needs no passphrase: it is the wrong key.
func TestRejectedKeyNeedsNoPassphrase(t *testing.T) {
	sshtest.Leaks(t)
	d := newSSHD(t)
	key := newKey(t, hidden, "-t", "ed25519")
	p := &person{}
	c := only(key)
	c.Asker = p
	logIn(t, sshdPlace(d), c).wants(t, fault.AuthRejected, fingerprint(t, key), "authorized_keys")
	if len(p.questions) > 0 {
		t.Errorf("asked %+v", p.questions)
	}
}

// An old PEM file shows its public half to nobody, so that the passphrase is
// needed before the server says anything.
func TestUnknownPublicHalf(t *testing.T) {
	sshtest.Leaks(t)
	d := newSSHD(t)
	key := newKey(t, hidden, "-t", "rsa", "-b", "2048", "-m", "PEM")
	authorize(t, d, key)
	os.Remove(key + ".pub")
	c := only(key)
	logIn(t, sshdPlace(d), c).wants(t, fault.NeedsPassphrase, key)
	c.Memory, c.Asker = new(identity.Memory), &person{answers: [][]string{{hidden}}}
	for range 2 { // the second time from memory
		if o := logIn(t, sshdPlace(d), c); o.err != nil {
			t.Error(o.err)
		}
	}
}

func TestLockedKeyThenGoodKey(t *testing.T) {
	sshtest.Leaks(t)
	d := newSSHD(t)
	locked, open := newKey(t, hidden, "-t", "ed25519"), newKey(t, "", "-t", "ed25519")
	authorize(t, d, locked, open)
	c := identity.Credentials{Files: []string{locked, open}, Named: true}
	if o := logIn(t, sshdPlace(d), c); o.err != nil || o.login.From != open {
		t.Errorf("%v, %+v", o.err, o.login)
	}
}

func TestStoredPassphraseIsTriedOnce(t *testing.T) {
	sshtest.Leaks(t)
	d := newSSHD(t)
	for _, form := range []string{"RFC4716", "PEM", "PKCS8"} {
		t.Run(form, func(t *testing.T) {
			key := newKey(t, "another", "-t", "ecdsa", "-m", form)
			authorize(t, d, key)
			reads := 0
			c := only(key)
			c.Passphrase, c.Secrets, c.Asker = "env:KEY", stored(hidden, &reads), &person{}
			logIn(t, sshdPlace(d), c).wants(t, fault.BadPassphrase, "env:KEY", key)
			if reads != 1 {
				t.Errorf("read %d times", reads)
			}
		})
	}
	key := newKey(t, hidden, "-t", "ed25519")
	authorize(t, d, key)
	c := only(key)
	c.Passphrase = "file:/nowhere/at/all"
	logIn(t, sshdPlace(d), c).wants(t, fault.BadPassphrase, "file:/nowhere/at/all")
}

func TestWrongPassphrasesEnd(t *testing.T) {
	sshtest.Leaks(t)
	d := newSSHD(t)
	key := newKey(t, "another", "-t", "ed25519")
	authorize(t, d, key)
	p := &person{answers: [][]string{{hidden}, {hidden}, {hidden}, {hidden}}}
	c := only(key)
	c.Asker = p
	logIn(t, sshdPlace(d), c).wants(t, fault.NeedsPassphrase, key)
	if len(p.questions) != 3 {
		t.Errorf("asked %d times", len(p.questions))
	}
}

func TestBrokenAlgorithms(t *testing.T) {
	sshtest.Leaks(t)
	d := newSSHD(t, "PubkeyAcceptedAlgorithms +ssh-dss")
	dsa := newKey(t, "", "-t", "dsa", "-m", "PEM")
	rsa := newKey(t, "", "-t", "rsa", "-b", "2048")
	authorize(t, d, dsa)
	for _, test := range []struct {
		place    place
		key, add string
		code     fault.Code
	}{
		{sshdPlace(d), dsa, "+ssh-dss", fault.KeyUnreadable},
		{serveSHA1(t), rsa, "+ssh-rsa", fault.AuthRejected},
	} {
		t.Run(test.add, func(t *testing.T) {
			c := only(test.key)
			o := logIn(t, test.place, c)
			o.wants(t, test.code, `auth.public_key_algorithms = ["`+test.add+`"]`, "broken")
			if len(c.Warnings()) != 0 || strings.Contains(o.told, "attempt") {
				t.Errorf("warnings %q, told %s", c.Warnings(), o.told)
			}
			c.PublicKeyAlgorithms = []string{test.add}
			if o := logIn(t, test.place, c); o.err != nil {
				t.Error(o.err)
			}
			if w := c.Warnings(); len(w) != 1 || !strings.Contains(w[0], test.add[1:]) {
				t.Errorf("warnings %q", w)
			}
		})
	}
	c := only(rsa)
	c.PublicKeyAlgorithms = []string{"ssh-ed25519"}
	logIn(t, sshdPlace(d), c).wants(t, fault.KeyUnreadable, "ssh-rsa is not in auth.public_key_algorithms")
}

// serveSHA1 is a server that takes RSA signatures with SHA-1 only, and any key.
func serveSHA1(t *testing.T) place {
	t.Helper()
	config := &ssh.ServerConfig{
		PublicKeyAuthAlgorithms: []string{ssh.KeyAlgoRSA},
		PublicKeyCallback:       func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil },
	}
	host, _ := sshtest.NewKey(t)
	config.AddHostKey(host)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	t.Cleanup(func() {
		listener.Close()
		<-over
	})
	go func() {
		defer close(over)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if served, _, requests, err := ssh.NewServerConn(conn, config); err == nil {
				ssh.DiscardRequests(requests)
				served.Close()
			}
			conn.Close()
		}
	}()
	address := listener.Addr().String()
	return place{address, "ana", sshtest.KnownHosts(t, address, host.PublicKey())}
}

func TestMaxAuthTries(t *testing.T) {
	sshtest.Leaks(t)
	d := newSSHD(t, "MaxAuthTries 2")
	c := identity.Credentials{Named: true}
	for range 4 {
		c.Files = append(c.Files, newKey(t, "", "-t", "ed25519"))
	}
	logIn(t, sshdPlace(d), c).wants(t, fault.TooManyAuthFailures, fingerprint(t, c.Files[0]), "identity_files")
}
