package link_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/identity"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

// keygen runs ssh-keygen.
func keygen(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ssh-keygen", append([]string{"-q"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen %q: %v\n%s", args, err, out)
	}
}

// A host that an authority signed is known by the authority alone, as long as
// the certificate is valid, for this host, and nothing of it is revoked. The
// server is a real one, and so is the authority.
func TestHostSignedByAuthority(t *testing.T) {
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca")
	keygen(t, "-t", "ed25519", "-N", "", "-f", ca)
	authority, err := os.ReadFile(ca + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		principal, validity string
		revoke              bool
		code                fault.Code
		state               link.State
	}{
		"valid":           {"127.0.0.1", "-1h:+1h", false, "", link.Up},
		"of another host": {"db.example", "-1h:+1h", false, fault.HostKeyChanged, link.Refused},
		"expired":         {"127.0.0.1", "-2h:-1h", false, fault.HostKeyChanged, link.Refused},
		"revoked":         {"127.0.0.1", "-1h:+1h", true, fault.HostKeyRevoked, link.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			sshtest.Leaks(t)
			key := filepath.Join(t.TempDir(), "host")
			keygen(t, "-t", "ed25519", "-N", "", "-f", key)
			keygen(t, "-s", ca, "-I", "a host", "-h", "-n", test.principal, "-V", test.validity, key+".pub")
			d := sshtest.StartSSHD(t, "HostKey "+key, "HostCertificate "+key+"-cert.pub")
			lines := "@cert-authority [127.0.0.1]:* " + string(authority)
			if test.revoke {
				public, err := os.ReadFile(key + ".pub")
				if err != nil {
					t.Fatal(err)
				}
				lines += "@revoked * " + string(public)
			}
			known := filepath.Join(t.TempDir(), "known_hosts")
			if err := os.WriteFile(known, []byte(lines), 0o600); err != nil {
				t.Fatal(err)
			}
			tg := sshdTarget(t, d)
			tg.HostKeys = identity.HostKeys{Files: []string{known}}
			l, _ := serve(t, tg)
			s := await(t, l, test.state)
			if fault.CodeOf(s.Err) != test.code {
				t.Errorf("%v, want %q", s.Err, test.code)
			}
			if v := s.Peer.HostKey; test.state == link.Up && (v.Source != known+":1" || v.Type != ssh.CertAlgoED25519v01) {
				t.Errorf("verdict %+v", v)
			}
			if log := d.Log(); test.state != link.Up && strings.Contains(log, "publickey") {
				t.Errorf("the server saw:\n%s", log)
			}
		})
	}
}
