package identity_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/identity"
	"tunneld/internal/sshtest"
)

// Every type and form that ssh-keygen writes, open and locked, with its public
// half beside it and without.
func TestKeyFormats(t *testing.T) {
	sshtest.Leaks(t)
	d := newSSHD(t)
	types := map[string][]string{
		"ed25519":   {"-t", "ed25519"},
		"ecdsa 256": {"-t", "ecdsa", "-b", "256"},
		"ecdsa 384": {"-t", "ecdsa", "-b", "384"},
		"ecdsa 521": {"-t", "ecdsa", "-b", "521"},
		"rsa":       {"-t", "rsa", "-b", "2048"},
	}
	forms := map[string]string{"openssh": "RFC4716", "pem": "PEM", "pkcs8": "PKCS8"}
	for kind, args := range types {
		for form, flag := range forms {
			for _, passphrase := range []string{"", hidden} {
				name := kind + " " + form
				if passphrase != "" {
					name += " locked"
				}
				t.Run(name, func(t *testing.T) {
					reads := 0
					key := newKey(t, passphrase, append(args, "-m", flag)...)
					authorize(t, d, key)
					c := only(key)
					c.Passphrase, c.Secrets = "env:KEY", stored(passphrase, &reads)
					for _, beside := range []bool{true, false} {
						if o := logIn(t, sshdPlace(d), c); o.err != nil || o.login.Fingerprint == "" || o.login.From != key {
							t.Errorf("public half beside: %v: %v, %+v", beside, o.err, o.login)
						}
						os.Remove(key + ".pub")
					}
					if want := map[string]int{"": 0, hidden: 2}[passphrase]; reads != want {
						t.Errorf("the passphrase was read %d times, want %d", reads, want)
					}
				})
			}
		}
	}
}

// Ed25519 in PKCS#8, as openssl writes it; ssh-keygen does not.
func TestEd25519PKCS8(t *testing.T) {
	sshtest.Leaks(t)
	d := newSSHD(t)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	open, locked := filepath.Join(dir, "open"), filepath.Join(dir, "locked")
	write(t, open, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	out, err := exec.Command("openssl", "pkcs8", "-topk8", "-in", open, "-out", locked, "-passout", "pass:"+hidden).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl: %v: %s", err, out)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	write(t, d.AuthorizedKeys, ssh.MarshalAuthorizedKey(key))
	reads := 0
	for _, path := range []string{open, locked} {
		c := only(path)
		c.Passphrase, c.Secrets = "env:KEY", stored(hidden, &reads)
		if o := logIn(t, sshdPlace(d), c); o.err != nil {
			t.Error(o.err)
		}
	}
}

// What cannot be used says why and what to do.
func TestUnusableFiles(t *testing.T) {
	sshtest.Leaks(t)
	d := newSSHD(t)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		write(t, path, []byte(text))
		return path
	}
	wide := newKey(t, "", "-t", "ed25519")
	if err := os.Chmod(wide, 0o644); err != nil {
		t.Fatal(err)
	}
	foreign := newKey(t, "", "-t", "ed25519")
	if err := errors.Join(os.Chmod(foreign, 0o660), os.Chown(foreign, 1234, -1)); err != nil {
		t.Logf("only root gives files away: %v", err) // then it is ours, and too wide
	}
	public := newKey(t, "", "-t", "ed25519") + ".pub"
	for name, test := range map[string]struct {
		path  string
		code  fault.Code
		words []string
	}{
		"missing":     {filepath.Join(dir, "none"), fault.KeyUnreadable, []string{"does not exist"}},
		"folder":      {dir, fault.KeyUnreadable, []string{"not a regular file"}},
		"large":       {file("large", strings.Repeat("x", 64<<10+1)), fault.KeyUnreadable, []string{"64 KiB"}},
		"text":        {file("text", "hello"), fault.KeyUnreadable, []string{"not a private key"}},
		"empty":       {file("empty", ""), fault.KeyUnreadable, []string{"not a private key"}},
		"putty":       {file("key.ppk", "PuTTY-User-Key-File-3: ssh-ed25519\n"), fault.KeyUnreadable, []string{"PuTTY", "puttygen"}},
		"foreign":     {foreign, fault.KeyPermissions, []string{"chmod "}},
		"permissions": {wide, fault.KeyPermissions, []string{"chmod 600 " + wide}},
		"public half": {public, fault.AgentUnavailable, []string{"ssh-add"}},
	} {
		t.Run(name, func(t *testing.T) {
			logIn(t, sshdPlace(d), only(test.path)).wants(t, test.code, test.words...)
		})
	}
}

func TestWatchedFiles(t *testing.T) {
	c := identity.Credentials{
		Files: []string{"a", "b.pub"}, CertificateFiles: []string{"c"},
		Passphrase: "file:d", Password: "env:E", Answers: []identity.Answer{{Value: "file:f"}},
	}
	want := "a a.pub a-cert.pub b.pub b.pub b-cert.pub c d f"
	if got := strings.Join(c.WatchedFiles(), " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
