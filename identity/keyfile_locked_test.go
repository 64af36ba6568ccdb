package identity

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"tunneld/internal/sshtest"
)

// The old encryption of PEM has no checksum: every wrong passphrase is one,
// also the few that leave a plausible padding.
func TestWrongPassphraseOfOldPEM(t *testing.T) {
	sshtest.NeedUnix(t, "ssh-keygen")
	path := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ecdsa", "-m", "PEM", "-N", "right", "-f", path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for n := range 3000 {
		k, err := readKeyFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.unlock([]byte(fmt.Sprint("wrong", n))); !errors.Is(err, x509.IncorrectPasswordError) {
			t.Fatalf("passphrase %d: %v", n, err)
		}
	}
}
