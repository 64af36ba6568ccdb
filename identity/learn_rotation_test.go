package identity

import (
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/internal/sshtest"
)

func TestUpdate(t *testing.T) {
	old, now, rsa, ca := hostKey(t, "ed25519"), hostKey(t, "ed25519"), hostKey(t, "rsa"), hostKey(t, "ed25519")
	named := []ssh.PublicKey{rsa, now}
	for _, c := range []struct {
		name, text string
		ok         bool
	}{
		{"rotated", plainLine("[h]:2222", old) + plainLine("[h]:2222", rsa), true},
		{"rotated, hashed", hashedLine("[h]:2222", old) + hashedLine("[h]:2222", rsa), true},
		{"new key only", plainLine("[h]:2222", rsa), true},
		{"old key only", plainLine("[h]:2222", rsa) + plainLine("[h]:2222", now) + plainLine("[h]:2222", old), true},
		{"same keys elsewhere", plainLine("g", old) + plainLine("[h]:2222", old) + plainLine("[h]:2222", rsa), true},
		{"nothing to do", plainLine("[h]:2222", rsa) + plainLine("[h]:2222", now), false},
		{"none is known", plainLine("[h]:2222", old), false},
		{"unknown server", plainLine("g", rsa), false},
		{"known under the plain host", plainLine("h", rsa), false},
		{"wildcard", plainLine("[h]:2222", rsa) + plainLine("[*]:2222", old), false},
		{"several names", plainLine("[h]:2222,g", rsa), false},
		{"authority", plainLine("[h]:2222", rsa) + plainLine("@cert-authority *", ca), false},
		{"revocation", plainLine("[h]:2222", rsa) + plainLine("@revoked [h]:2222", ca), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := HostKeys{Files: []string{knownFile(t, c.text)}}
			paths, err := h.Update("[h]:2222", named, named)
			if err != nil || (len(paths) == 1) != c.ok {
				t.Fatalf("%q, %v", paths, err)
			}
			if !c.ok {
				if got := readText(t, h.Files[0]); got != c.text {
					t.Errorf("became %q", got)
				}
				return
			}
			k := lookup(t, h, "h", 2222)
			for _, key := range named {
				if _, err := k.Check(key, noon); err != nil {
					t.Error(err)
				}
			}
			_, err = k.Check(old, noon)
			wantCode(t, err, fault.HostKeyChanged)
			if _, err := lookup(t, h, "g", 22).Check(old, noon); c.name == "same keys elsewhere" && err != nil {
				t.Error("another name lost its key: ", err)
			}
			if len(k.entries) != 2 || len(h.Unlearned("[h]:2222", named)) > 0 {
				t.Errorf("%d entries", len(k.entries))
			}
		})
	}
}

func TestUnlearned(t *testing.T) {
	a, b := hostKey(t, "ed25519"), hostKey(t, "rsa")
	h := HostKeys{Files: []string{knownFile(t, plainLine("h", a))}}
	if got := h.Unlearned("h", []ssh.PublicKey{a, b}); len(got) != 1 || !sameKey(got[0], b) {
		t.Errorf("unlearned %v", got)
	}
	h.Fingerprints = []string{ssh.FingerprintSHA256(a)}
	if got := h.Unlearned("h", []ssh.PublicKey{a, b}); len(got) > 0 {
		t.Errorf("with pins: %v", got)
	}
	if paths, err := h.Update("h", []ssh.PublicKey{a, b}, []ssh.PublicKey{b}); err != nil || len(paths) > 0 {
		t.Errorf("with pins: %q, %v", paths, err)
	}
}

// A key that a person removes while the server proves the others, because it was
// stolen, is not learned again.
func TestUpdateLearnsWhatIsProved(t *testing.T) {
	a, stolen, c := hostKey(t, "ed25519"), hostKey(t, "ed25519"), hostKey(t, "rsa")
	file := knownFile(t, plainLine("h", a)+plainLine("h", stolen))
	h, named := HostKeys{Files: []string{file}}, []ssh.PublicKey{a, stolen, c}
	proved := h.Unlearned("h", named)
	if len(proved) != 1 || !sameKey(proved[0], c) {
		t.Fatalf("unlearned %v", proved)
	}
	text := plainLine("h", a)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if paths, err := h.Update("h", named, proved); err != nil || len(paths) > 0 || readText(t, file) != text {
		t.Errorf("%q, %v: %q", paths, err, readText(t, file))
	}
}

// A profile may spell the host as it likes: the file has it in lower case, once.
func TestLearnInLowerCase(t *testing.T) {
	a, b, old := hostKey(t, "ed25519"), hostKey(t, "rsa"), hostKey(t, "ed25519")
	h := HostKeys{Files: []string{knownFile(t, plainLine("db.example.com", a)+plainLine("db.example.com", old))}}
	for range 3 {
		if _, err := h.Update("DB.example.com", []ssh.PublicKey{a, b}, []ssh.PublicKey{b}); err != nil {
			t.Fatal(err)
		}
	}
	if k := lookup(t, h, "db.example.com", 22); len(k.entries) != 2 || findKey(k.entries, old) != nil {
		t.Errorf("%d entries:\n%s", len(k.entries), readText(t, h.Files[0]))
	}
	for range 2 {
		if _, err := h.Replace("Db.Example.com", old); err != nil {
			t.Fatal(err)
		}
	}
	if k := lookup(t, h, "db.example.com", 22); len(k.entries) != 1 || findKey(k.entries, old) == nil {
		t.Errorf("%d entries after a replacement", len(k.entries))
	}
	for range 2 {
		if _, err := h.Learn("New.Example.com", a); err != nil {
			t.Fatal(err)
		}
	}
	if k := lookup(t, h, "new.example.com", 22); len(k.entries) != 1 {
		t.Errorf("learned %d times", len(k.entries))
	}
}

// A real sshd names its keys and proves them.
func TestRotationWithSSHD(t *testing.T) {
	d := sshtest.StartSSHD(t)
	ecdsa, old := d.HostKeys[1], hostKey(t, "rsa")
	name := lookupName(d.Host, d.Port)
	h := HostKeys{Files: []string{knownFile(t, hashedLine(name, ecdsa)+hashedLine(name, old))}}
	conn, requests := dialSSHD(t, d, h)
	payload := hostKeysRequest(t, requests)
	keys, err := ParseHostKeys(payload)
	if err != nil || len(keys) != 3 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	fresh := h.Unlearned(name, keys)
	if len(fresh) != 2 {
		t.Fatalf("%d keys to learn", len(fresh))
	}
	for _, asked := range [][]ssh.PublicKey{keys, fresh} { // all three types, then as it is meant
		ok, reply, err := conn.SendRequest(proveRequest, true, ProofRequest(asked))
		if err != nil || !ok {
			t.Fatalf("prove: %v, %v", ok, err)
		}
		if err := VerifyProofs(conn.SessionID(), asked, reply); err != nil {
			t.Error(err)
		}
		if err := VerifyProofs([]byte("another session"), asked, reply); err == nil {
			t.Error("proofs of another session pass")
		}
	}
	if paths, err := h.Update(name, keys, fresh); err != nil || !slices.Equal(paths, h.Files) {
		t.Fatalf("%q, %v", paths, err)
	}
	if k := lookup(t, h, d.Host, d.Port); len(k.entries) != 3 || findKey(k.entries, old) != nil {
		t.Errorf("%d entries", len(k.entries))
	}
}

// dialSSHD connects with the host key that h knows, which is not the one that
// the server would show unasked.
func dialSSHD(t *testing.T, d *sshtest.SSHD, h HostKeys) (ssh.Conn, <-chan *ssh.Request) {
	t.Helper()
	signer, err := ssh.ParsePrivateKey([]byte(readText(t, d.ClientKey)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := net.Dial("tcp", d.Addr)
	if err != nil {
		t.Fatal(err)
	}
	known := lookup(t, h, d.Host, d.Port)
	conn, channels, requests, err := ssh.NewClientConn(raw, d.Addr, &ssh.ClientConfig{
		User: d.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyAlgorithms: known.Algorithms([]string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoRSASHA512}),
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			_, err := known.Check(key, time.Now())
			return err
		},
	})
	if err != nil {
		raw.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		for c := range channels {
			c.Reject(ssh.Prohibited, "")
		}
	}()
	return conn, requests
}

func hostKeysRequest(t *testing.T, requests <-chan *ssh.Request) []byte {
	t.Helper()
	for deadline := time.After(20 * time.Second); ; {
		select {
		case r, ok := <-requests:
			if !ok {
				t.Fatal("the connection ended")
			}
			if r.Type == "hostkeys-00@openssh.com" {
				go ssh.DiscardRequests(requests)
				return r.Payload
			}
		case <-deadline:
			t.Fatal("the server named no keys")
		}
	}
}
