package sshtest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/crypto/ssh"
)

// NewKey makes an Ed25519 key and returns it as a signer and as the path of an
// OpenSSH private key file that only its owner can read.
func NewKey(t testing.TB) (signer ssh.Signer, path string) {
	t.Helper()
	key := newEd25519(t)
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "id_ed25519")
	writeKey(t, path, key)
	return signer, path
}

// KnownHosts writes a known_hosts file that trusts keys at addr, a port of
// loopback, and returns its path.
func KnownHosts(t testing.TB, addr string, keys ...ssh.PublicKey) string {
	t.Helper()
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "known_hosts")
	writeFile(t, path, knownHostsLines(port, keys))
	return path
}

func newEd25519(t testing.TB) any {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newECDSA(t testing.TB) any {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRSA(t testing.TB) any {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// writeKey writes a private key without a passphrase, its public half beside
// it, and returns that half.
func writeKey(t testing.TB, path string, key any) ssh.PublicKey {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, pem.EncodeToMemory(block))
	writeFile(t, path+".pub", ssh.MarshalAuthorizedKey(signer.PublicKey()))
	return signer.PublicKey()
}

// writeFile writes what only its owner may read, as ssh wants it.
func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
