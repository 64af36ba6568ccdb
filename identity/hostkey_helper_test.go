package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// noon is the time of all checks.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// hostSigner makes a host key of one type: ed25519, ecdsa or rsa.
func hostSigner(t testing.TB, kind string) ssh.Signer {
	t.Helper()
	var key any
	var err error
	switch kind {
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "ecdsa":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func hostKey(t testing.TB, kind string) ssh.PublicKey { return hostSigner(t, kind).PublicKey() }

// plainLine is a line of known_hosts, with a line end.
func plainLine(hosts string, key ssh.PublicKey) string {
	return hosts + " " + string(ssh.MarshalAuthorizedKey(key))
}

// knownFile writes a known_hosts file.
func knownFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func readText(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func lookup(t testing.TB, h HostKeys, host string, port int) *Known {
	t.Helper()
	k, err := h.Lookup(host, port)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// certify makes a host certificate of key, valid for an hour around noon.
func certify(t testing.TB, ca ssh.Signer, key ssh.PublicKey, change func(*ssh.Certificate), principals ...string) *ssh.Certificate {
	t.Helper()
	cert := &ssh.Certificate{
		Key: key, CertType: ssh.HostCert, ValidPrincipals: principals,
		ValidAfter:  uint64(noon.Add(-time.Hour).Unix()),
		ValidBefore: uint64(noon.Add(time.Hour).Unix()),
	}
	if change != nil {
		change(cert)
	}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	return cert
}

// wantCode checks an error's code and that its text has all words.
func wantCode(t *testing.T, err error, code fault.Code, words ...string) {
	t.Helper()
	if fault.CodeOf(err) != code {
		t.Fatalf("error %v, want code %s", err, code)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

// unknownOf returns the Unknown of an error.
func unknownOf(t *testing.T, err error) *Unknown {
	t.Helper()
	var u *Unknown
	if !errors.As(err, &u) {
		t.Fatalf("%v holds no Unknown", err)
	}
	return u
}
