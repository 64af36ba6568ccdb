package identity

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

func TestCheckPlain(t *testing.T) {
	ed, other, rsa := hostKey(t, "ed25519"), hostKey(t, "ed25519"), hostKey(t, "rsa")
	for _, c := range []struct {
		name, text string
		host       string
		port       int
		key        ssh.PublicKey
		want       fault.Code
		source     string // line, where accepted
	}{
		{"known", plainLine("h", ed), "h", 22, ed, "", ":1"},
		{"case of the host", plainLine("Host.Example", ed), "HOST.example", 22, ed, "", ":1"},
		{"second of two", plainLine("h", rsa) + plainLine("h", ed), "h", 22, ed, "", ":2"},
		{"never seen", plainLine("g", ed), "h", 22, ed, fault.HostKeyUnknown, ""},
		{"changed", plainLine("h", other), "h", 22, ed, fault.HostKeyChanged, ""},
		{"another type is changed too", plainLine("h", rsa), "h", 22, ed, fault.HostKeyChanged, ""},
		{"negated", plainLine("*,!h", ed), "h", 22, ed, fault.HostKeyUnknown, ""},
		{"port", plainLine("[h]:2222", ed), "h", 2222, ed, "", ":1"},
		{"other port", plainLine("[h]:2222", ed), "h", 2223, ed, fault.HostKeyUnknown, ""},
		{"port line is not for 22", plainLine("[h]:2222", ed), "h", 22, ed, fault.HostKeyUnknown, ""},
		{"plain host vouches for a port", plainLine("h", ed), "h", 2222, ed, "", ":1"},
		{"plain host does not contradict", plainLine("h", other), "h", 2222, ed, fault.HostKeyUnknown, ""},
		{"the port's line wins", plainLine("h", ed) + plainLine("[h]:2222", other), "h", 2222, ed, fault.HostKeyChanged, ""},
		{"IPv6", plainLine("2001:db8::1", ed), "2001:DB8::1", 22, ed, "", ":1"},
		{"IPv6 and port", plainLine("[2001:db8::1]:2222", ed), "2001:db8::1", 2222, ed, "", ":1"},
		{"revoked", plainLine("h", ed) + plainLine("@revoked *", ed), "h", 22, ed, fault.HostKeyRevoked, ""},
		{"revoked for the plain host", plainLine("[h]:2222", ed) + plainLine("@revoked h", ed), "h", 2222, ed, fault.HostKeyRevoked, ""},
		{"revoked elsewhere", plainLine("h", ed) + plainLine("@revoked g", ed), "h", 22, ed, "", ":1"},
		{"an authority's own key", plainLine("@cert-authority h", ed), "h", 22, ed, fault.HostKeyUnknown, ""},
		{"no file", "", "h", 22, ed, fault.HostKeyUnknown, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := knownFile(t, c.text)
			v, err := lookup(t, HostKeys{Files: []string{file}}, c.host, c.port).Check(c.key, noon)
			if c.want != "" {
				wantCode(t, err, c.want, ssh.FingerprintSHA256(c.key))
				return
			}
			want := Verdict{Fingerprint: ssh.FingerprintSHA256(c.key), Type: c.key.Type(), Source: file + c.source}
			if err != nil || v != want {
				t.Errorf("verdict %+v, %v; want %+v", v, err, want)
			}
		})
	}
}

// A changed key is shown beside the known one of its type, with its place.
func TestCheckTellsWhatItKnows(t *testing.T) {
	rsa, old, now := hostKey(t, "rsa"), hostKey(t, "ed25519"), hostKey(t, "ed25519")
	a := knownFile(t, "# comment\n"+plainLine("h", rsa))
	b := knownFile(t, plainLine("h", old))
	_, err := lookup(t, HostKeys{Files: []string{a, b}}, "h", 22).Check(now, noon)
	wantCode(t, err, fault.HostKeyChanged, ssh.FingerprintSHA256(now), ssh.FingerprintSHA256(old), b+":1")
	want := []KnownKey{{a, 2, "ssh-rsa", ssh.FingerprintSHA256(rsa)}, {b, 1, "ssh-ed25519", ssh.FingerprintSHA256(old)}}
	if u := unknownOf(t, err); u.Name != "h" || !sameKey(u.Key, now) || !slices.Equal(u.Known, want) {
		t.Errorf("unknown %+v, want lines %+v", u, want)
	}
	_, err = lookup(t, HostKeys{Files: []string{a, b}}, "g", 2222).Check(now, noon)
	wantCode(t, err, fault.HostKeyUnknown, "[g]:2222", "ssh-ed25519", ssh.FingerprintSHA256(now), a, b)
	if u := unknownOf(t, err); u.Name != "[g]:2222" || len(u.Known) != 0 {
		t.Errorf("unknown %+v", u)
	}
}

func TestCheckAlias(t *testing.T) {
	key := hostKey(t, "ed25519")
	h := HostKeys{Files: []string{knownFile(t, plainLine("box", key))}, Alias: "Box"}
	if _, err := lookup(t, h, "10.0.0.1", 2222).Check(key, noon); err != nil {
		t.Error(err)
	}
}

func TestCheckPins(t *testing.T) {
	key, other, ca := hostKey(t, "ed25519"), hostKey(t, "ed25519"), hostSigner(t, "ed25519")
	h := HostKeys{Fingerprints: []string{ssh.FingerprintSHA256(key)}}
	for _, shown := range []ssh.PublicKey{key, certify(t, ca, key, nil)} {
		v, err := lookup(t, h, "h", 22).Check(shown, noon)
		if want := (Verdict{ssh.FingerprintSHA256(key), "ssh-ed25519", "pin"}); err != nil || v != want {
			t.Errorf("verdict %+v, %v", v, err)
		}
	}
	h.Files = []string{knownFile(t, plainLine("h", other))}
	_, err := lookup(t, h, "h", 22).Check(other, noon) // known_hosts cannot help
	wantCode(t, err, fault.HostKeyChanged, ssh.FingerprintSHA256(other), "host_key.fingerprints")

	h.Files = []string{knownFile(t, plainLine("@revoked *", key))}
	_, err = lookup(t, h, "h", 22).Check(key, noon)
	wantCode(t, err, fault.HostKeyRevoked, h.Files[0]+":1")

	h.Files = []string{t.TempDir()} // cannot be read, and is not needed
	k := lookup(t, h, "h", 22)
	if _, err := k.Check(key, noon); err != nil || len(k.Bad) != 1 || k.Bad[0].Line != 0 {
		t.Errorf("%v, bad %v", err, k.Bad)
	}
}

func TestCheckCertificate(t *testing.T) {
	ca, stranger, rsaCA := hostSigner(t, "ed25519"), hostSigner(t, "ed25519"), hostSigner(t, "rsa")
	sha1CA, err := ssh.NewSignerWithAlgorithms(rsaCA.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSA})
	if err != nil {
		t.Fatal(err)
	}
	key, other := hostKey(t, "ed25519"), hostKey(t, "ed25519")
	authority := plainLine("@cert-authority *.example", ca.PublicKey()) + plainLine("@cert-authority *.example", rsaCA.PublicKey())
	set := func(f func(*ssh.Certificate)) func(*ssh.Certificate) { return f }
	expired := set(func(c *ssh.Certificate) { c.ValidBefore = uint64(noon.Unix()) })
	for _, c := range []struct {
		name   string
		text   string
		cert   *ssh.Certificate
		want   fault.Code
		source string
	}{
		{"exact", authority, certify(t, ca, key, nil, "db.example"), "", ":1"},
		{"one of several", authority, certify(t, ca, key, nil, "a", "b", "db.example"), "", ":1"},
		{"wildcard", authority, certify(t, ca, key, nil, "*.example"), "", ":1"},
		{"question mark", authority, certify(t, rsaCA, key, nil, "d?.example"), "", ":2"},
		{"no list in a principal", authority, certify(t, ca, key, nil, "a,db.example"), fault.HostKeyChanged, ""},
		{"case counts", authority, certify(t, ca, key, nil, "DB.example"), fault.HostKeyChanged, ""},
		{"other name", authority, certify(t, ca, key, nil, "web.example"), fault.HostKeyChanged, ""},
		{"no principals", authority, certify(t, ca, key, nil), fault.HostKeyChanged, ""},
		{"expired", authority, certify(t, ca, key, expired, "db.example"), fault.HostKeyChanged, ""},
		{"not yet", authority, certify(t, ca, key, set(func(c *ssh.Certificate) { c.ValidAfter = uint64(noon.Unix()) + 1 }), "db.example"), fault.HostKeyChanged, ""},
		{"for ever", authority, certify(t, ca, key, set(func(c *ssh.Certificate) { c.ValidBefore = ssh.CertTimeInfinity }), "db.example"), "", ":1"},
		{"of a user", authority, certify(t, ca, key, set(func(c *ssh.Certificate) { c.CertType = ssh.UserCert }), "db.example"), fault.HostKeyChanged, ""},
		{"critical option", authority, certify(t, ca, key, set(func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "::/0"} }), "db.example"), fault.HostKeyChanged, ""},
		{"SHA-1", authority, certify(t, sha1CA, key, nil, "db.example"), fault.HostKeyChanged, ""},
		{"stranger", authority, certify(t, stranger, key, nil, "db.example"), fault.HostKeyUnknown, ""},
		{"authority of other hosts", plainLine("@cert-authority *.org", ca.PublicKey()), certify(t, ca, key, nil, "db.example"), fault.HostKeyUnknown, ""},
		{"revoked authority", authority + plainLine("@revoked *", ca.PublicKey()), certify(t, ca, key, nil, "db.example"), fault.HostKeyRevoked, ""},
		{"revoked authority, known key", plainLine("db.example", key) + plainLine("@revoked *", ca.PublicKey()), certify(t, ca, key, nil, "db.example"), fault.HostKeyRevoked, ""},
		{"revoked key", authority + plainLine("@revoked *", key), certify(t, ca, key, nil, "db.example"), fault.HostKeyRevoked, ""},
		{"stranger, known key", authority + plainLine("db.example", key), certify(t, stranger, key, nil, "db.example"), "", ":3"},
		{"expired, known key", authority + plainLine("db.example", key), certify(t, ca, key, expired, "db.example"), "", ":3"},
		{"expired, other key", authority + plainLine("db.example", other), certify(t, ca, key, expired, "db.example"), fault.HostKeyChanged, ""},
		{"stranger, other key", authority + plainLine("db.example", other), certify(t, stranger, key, nil, "db.example"), fault.HostKeyChanged, ""},
		{"valid, other key", authority + plainLine("db.example", other), certify(t, ca, key, nil, "db.example"), "", ":1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := knownFile(t, c.text)
			for _, port := range []int{22, 2222} {
				v, err := lookup(t, HostKeys{Files: []string{file}}, "DB.example", port).Check(c.cert, noon)
				if c.want == "" && (err != nil || v.Source != file+c.source || v.Fingerprint != ssh.FingerprintSHA256(key)) {
					t.Errorf("port %d: verdict %+v, %v", port, v, err)
				}
				if port == 2222 && strings.HasSuffix(c.name, ", other key") {
					continue // a plain line of the host does not contradict a port
				}
				if c.want != "" {
					wantCode(t, err, c.want)
				}
			}
		})
	}
}

func TestCheckForgedCertificate(t *testing.T) {
	ca, key := hostSigner(t, "ed25519"), hostKey(t, "ed25519")
	cert := certify(t, ca, key, nil, "web")
	cert.ValidPrincipals = []string{"db"} // after the signature
	_, err := lookup(t, HostKeys{Files: []string{knownFile(t, plainLine("@cert-authority *", ca.PublicKey()))}}, "db", 22).Check(cert, noon)
	wantCode(t, err, fault.HostKeyChanged, "signature")
	if fault.HintOf(err) == fault.HostKeyChanged.Hint() {
		t.Error("the hint does not speak of the certificate")
	}
}

// A certificate that ssh-keygen made, with its own idea of the format.
func TestCheckCertificateOfSSHKeygen(t *testing.T) {
	keygen := sshKeygen(t)
	dir := t.TempDir()
	ca, host := filepath.Join(dir, "ca"), filepath.Join(dir, "host")
	for _, args := range [][]string{
		{"-q", "-t", "rsa", "-N", "", "-f", ca},
		{"-q", "-t", "ecdsa", "-N", "", "-f", host},
		{"-q", "-s", ca, "-h", "-I", "host", "-n", "*.example,db", "-V", "20260101:20270101", host + ".pub"},
	} {
		if out, err := exec.Command(keygen, args...).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen %q: %v\n%s", args, err, out)
		}
	}
	file := knownFile(t, "@cert-authority * "+readText(t, ca+".pub"))
	cert, _, _, _, err := ssh.ParseAuthorizedKey([]byte(readText(t, host+"-cert.pub")))
	if err != nil {
		t.Fatal(err)
	}
	for host, ok := range map[string]bool{"a.example": true, "db": true, "web": false} {
		if _, err := lookup(t, HostKeys{Files: []string{file}}, host, 22).Check(cert, noon); (err == nil) != ok {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func sshKeygen(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("no ssh-keygen here")
	}
	return path
}

func TestAlgorithms(t *testing.T) {
	ed, ecdsa, rsa, ca := hostKey(t, "ed25519"), hostKey(t, "ecdsa"), hostKey(t, "rsa"), hostKey(t, "ed25519")
	allowed := []string{"ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519-cert-v01@openssh.com"}
	at := func(order ...int) (names []string) {
		for _, i := range order {
			names = append(names, allowed[i])
		}
		return names
	}
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"nothing known", "", allowed},
		{"rsa", plainLine("h", rsa), at(2, 3, 0, 1, 4)},
		{"ours decides, not the file", plainLine("h", rsa) + plainLine("h", ecdsa), at(1, 2, 3, 0, 4)},
		{"authority", plainLine("@cert-authority *", ca), at(4, 0, 1, 2, 3)},
		{"authority and key", plainLine("h", ecdsa) + plainLine("@cert-authority *", ca), at(4, 1, 0, 2, 3)},
		{"revoked authority", plainLine("h", ecdsa) + plainLine("@cert-authority *", ca) + plainLine("@revoked *", ca), at(1, 0, 2, 3, 4)},
		{"revoked key", plainLine("h", ecdsa) + plainLine("@revoked *", ecdsa), allowed},
	} {
		k := lookup(t, HostKeys{Files: []string{knownFile(t, c.text)}}, "h", 22)
		if got := k.Algorithms(allowed); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	// The port's own line decides what is asked for, else the plain host's.
	file := knownFile(t, plainLine("h", ed)+plainLine("[h]:2222", rsa)+plainLine("[h]:2223", ecdsa)+plainLine("@revoked *", ecdsa))
	for port, want := range map[int][]string{2222: at(2, 3, 0, 1, 4), 2223: at(0, 1, 2, 3, 4)} {
		if got := lookup(t, HostKeys{Files: []string{file}}, "h", port).Algorithms(allowed); !slices.Equal(got, want) {
			t.Errorf("port %d: %q, want %q", port, got, want)
		}
	}
}

func TestHostKeyRotationProofs(t *testing.T) {
	var signers []ssh.Signer
	var keys []ssh.PublicKey
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		s := hostSigner(t, kind)
		signers, keys = append(signers, s), append(keys, s.PublicKey())
	}
	session := []byte("session")
	prove := func(rsa string, session []byte) (reply []byte) {
		for _, s := range signers {
			algorithm := ""
			if s.PublicKey().Type() == ssh.KeyAlgoRSA {
				algorithm = rsa
			}
			sig, err := s.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, proofData(session, s.PublicKey()), algorithm)
			if err != nil {
				t.Fatal(err)
			}
			reply = append(reply, ssh.Marshal(struct{ Sig []byte }{ssh.Marshal(sig)})...)
		}
		return reply
	}
	good := prove(ssh.KeyAlgoRSASHA512, session)
	for _, c := range []struct {
		name  string
		keys  []ssh.PublicKey
		reply []byte
		ok    bool
	}{
		{"SHA-512", keys, good, true},
		{"SHA-256", keys, prove(ssh.KeyAlgoRSASHA256, session), true},
		{"SHA-1", keys, prove(ssh.KeyAlgoRSA, session), false},
		{"other session", keys, prove(ssh.KeyAlgoRSASHA512, []byte("other")), false},
		{"too few", keys[:2], good, false},
		{"other order", []ssh.PublicKey{keys[1], keys[0], keys[2]}, good, false},
		{"cut short", keys, good[:len(good)-1], false},
		{"trailing", keys, append(slices.Clone(good), 0), false},
		{"empty", keys, nil, false},
	} {
		if err := VerifyProofs(session, c.keys, c.reply); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	got, err := ParseHostKeys(ProofRequest(append(keys, keys[0])))
	if err != nil || len(got) != 3 || !sameKey(got[2], keys[2]) {
		t.Errorf("keys %v, %v", got, err)
	}
}

func TestParseHostKeysBounds(t *testing.T) {
	key := hostKey(t, "ed25519")
	pack := func(blobs ...[]byte) (payload []byte) {
		for _, b := range blobs {
			payload = append(payload, ssh.Marshal(struct{ B []byte }{b})...)
		}
		return payload
	}
	cert := certify(t, hostSigner(t, "ed25519"), key, nil, "h")
	keys, err := ParseHostKeys(pack([]byte("\x00\x00\x00\x07ssh-new"), nil, cert.Marshal(), key.Marshal()))
	if err != nil || len(keys) != 1 || !sameKey(keys[0], key) {
		t.Errorf("keys %v, %v", keys, err)
	}
	many := make([][]byte, rotationKeys+1)
	for name, payload := range map[string][]byte{
		"too many":  pack(many...),
		"too long":  make([]byte, rotationBytes+1),
		"cut short": pack(key.Marshal())[:20],
	} {
		if keys, err := ParseHostKeys(payload); err == nil {
			t.Errorf("%s: %d keys", name, len(keys))
		}
	}
	if keys, err := ParseHostKeys(nil); err != nil || len(keys) != 0 {
		t.Errorf("empty: %v, %v", keys, err)
	}
}

func ExampleHostKeys_Lookup() {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBvmuoqFzkZ+2qCyH4GtyNWnHlcKdYaPqHWzRTL9xrMQ"
	dir, err := os.MkdirTemp("", "known")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "known_hosts")
	os.WriteFile(file, []byte("bastion.example.com,10.0.0.1 "+key+"\n"), 0o600)

	known, err := HostKeys{Files: []string{file}}.Lookup("bastion.example.com", 22)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(known.Algorithms([]string{ssh.KeyAlgoECDSA256, ssh.KeyAlgoED25519}))
	shown, _, _, _, _ := ssh.ParseAuthorizedKey([]byte(key))
	verdict, err := known.Check(shown, noon)
	fmt.Println(verdict.Type, filepath.Base(verdict.Source), err)
	// Output:
	// [ssh-ed25519 ecdsa-sha2-nistp256]
	// ssh-ed25519 known_hosts:1 <nil>
}
