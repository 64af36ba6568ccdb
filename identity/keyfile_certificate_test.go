package identity_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/fault"
	"tunneld/identity"
	"tunneld/internal/sshtest"
)

// certify signs the public half of key and moves the certificate to path.
func certify(t *testing.T, ca, key, path string, args ...string) {
	t.Helper()
	keygen(t, append(append([]string{"-s", ca, "-I", "test"}, args...), key+".pub")...)
	if err := os.Rename(key+"-cert.pub", path); err != nil {
		t.Fatal(err)
	}
}

func TestCertificates(t *testing.T) {
	sshtest.Leaks(t)
	ca := newKey(t, "", "-t", "ed25519")
	d := newSSHD(t, "TrustedUserCAKeys "+ca+".pub")
	keys := map[string]string{
		"ed25519": newKey(t, "", "-t", "ed25519"),
		"ecdsa":   newKey(t, "", "-t", "ecdsa"),
		"rsa":     newKey(t, "", "-t", "rsa", "-b", "2048"),
		"locked":  newKey(t, hidden, "-t", "ed25519"),
	}
	reads := 0
	for name, key := range keys {
		t.Run(name, func(t *testing.T) {
			certify(t, ca, key, key+"-cert.pub", "-n", d.User)
			c := only(key)
			c.Passphrase, c.Secrets = "env:KEY", stored(hidden, &reads)
			o := logIn(t, sshdPlace(d), c)
			if o.err != nil || !strings.Contains(o.login.Type, "-cert-v01@openssh.com") || o.login.Fingerprint != fingerprint(t, key) {
				t.Errorf("beside: %v, %+v", o.err, o.login)
			}
			elsewhere := filepath.Join(t.TempDir(), "named")
			if err := os.Rename(key+"-cert.pub", elsewhere); err != nil {
				t.Fatal(err)
			}
			c.CertificateFiles = []string{elsewhere}
			if o := logIn(t, sshdPlace(d), c); o.err != nil || !strings.HasPrefix(o.login.From, elsewhere) {
				t.Errorf("named: %v, %+v", o.err, o.login)
			}
		})
	}
}

func TestUnusableCertificates(t *testing.T) {
	sshtest.Leaks(t)
	ca := newKey(t, "", "-t", "ed25519")
	d := newSSHD(t, "TrustedUserCAKeys "+ca+".pub")
	other := newKey(t, "", "-t", "ed25519")
	for name, test := range map[string]struct {
		args  []string
		words []string
	}{
		"expired":         {[]string{"-n", d.User, "-V", "20200101:20200102"}, []string{"expired at 2020-01-0"}},
		"not yet":         {[]string{"-n", d.User, "-V", "21000101:21000102"}, []string{"not valid before"}},
		"host":            {[]string{"-h", "-n", d.User}, []string{"not a user certificate"}},
		"wrong principal": {[]string{"-n", "somebody"}, []string{"for [somebody]"}},
	} {
		t.Run(name, func(t *testing.T) {
			key := newKey(t, "", "-t", "ed25519")
			certify(t, ca, key, key+"-cert.pub", test.args...)
			logIn(t, sshdPlace(d), only(key)).wants(t, fault.AuthRejected, append(test.words, fingerprint(t, key))...)
			authorize(t, d, key) // the plain key comes after the certificate
			if o := logIn(t, sshdPlace(d), only(key)); o.err != nil || o.login.Type != "ssh-ed25519" {
				t.Errorf("%v, %+v", o.err, o.login)
			}
			authorize(t, d, other)
		})
	}
	key := newKey(t, "", "-t", "ed25519")
	certify(t, ca, other, key+"-cert.pub", "-n", d.User)
	logIn(t, sshdPlace(d), only(key)).wants(t, fault.AuthRejected, "another key")
	c := only(key)
	c.CertificateFiles = []string{key + "-cert.pub", key, filepath.Join(t.TempDir(), "none")}
	logIn(t, sshdPlace(d), c).wants(t, fault.AuthRejected, "there is no key for the certificate", "not a certificate", "no such file")
}

// A certificate in a file serves a key that only the agent has.
func TestCertificateOfAgentKey(t *testing.T) {
	sshtest.Leaks(t)
	ca, key := newKey(t, "", "-t", "ed25519"), newKey(t, "", "-t", "rsa", "-b", "2048")
	d := newSSHD(t, "TrustedUserCAKeys "+ca+".pub")
	cert := filepath.Join(t.TempDir(), "cert")
	certify(t, ca, key, cert, "-n", d.User)
	agent := sshtest.Agent(t, key)
	c := identity.Credentials{CertificateFiles: []string{cert}, Agent: agent.Socket, Named: true, IdentitiesOnly: true}
	if o := logIn(t, sshdPlace(d), c); o.err != nil || !strings.HasPrefix(o.login.From, cert) {
		t.Errorf("%v, %+v", o.err, o.login)
	}
}
