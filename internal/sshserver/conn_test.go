package sshserver

import (
	"bytes"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Whatever a client sends is refused, or means what it says.
func FuzzDirect(f *testing.F) {
	f.Add(ssh.Marshal(direct{"db.internal", 5432, "192.0.2.7", 4711}))
	f.Add(ssh.Marshal(direct{"::1", 65536, "", 0}))
	f.Add([]byte{0, 0, 0, 9})
	f.Fuzz(func(t *testing.T, payload []byte) {
		d, err := parseDirect(payload)
		if err != nil {
			return
		}
		if d.Port > 65535 || !bytes.Equal(ssh.Marshal(d), payload) {
			t.Errorf("%v from %x", d, payload)
		}
	})
}
