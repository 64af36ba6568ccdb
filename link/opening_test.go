package link

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// packet wraps a payload as RFC 4253 section 6 does in clear.
func packet(payload []byte, padding int) []byte {
	p := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+padding))
	return append(append(append(p, byte(padding)), payload...), make([]byte, padding)...)
}

func exampleInit() kexInit {
	return kexInit{
		KeyExchanges: []string{"curve25519-sha256", "kex-strict-s-v00@openssh.com"}, HostKeys: []string{"ssh-ed25519"},
		CiphersOut: []string{"aes256-ctr"}, CiphersIn: []string{"aes128-ctr", "aes128-gcm@openssh.com"},
		MACsOut: []string{"hmac-sha2-512"}, MACsIn: []string{"hmac-sha2-256"},
		CompressionOut: []string{"none"}, CompressionIn: []string{"none"},
	}
}

func TestParseOpening(t *testing.T) {
	full := append([]byte("be nice\r\nSSH-2.0-Nice\r\n"), packet(ssh.Marshal(exampleInit()), 8)...)
	for n := range full {
		o, more, err := parseOpening(full[:n])
		if !more || err != nil || o.offer != nil {
			t.Fatalf("%d of %d bytes: more %t, %v", n, len(full), more, err)
		}
	}
	o, more, err := parseOpening(append(full, "and what follows"...))
	if more || err != nil || o.version != "SSH-2.0-Nice" {
		t.Fatalf("%+v, more %t, %v", o, more, err)
	}
	want := exampleInit()
	if !slices.Equal(o.offer.KeyExchanges, want.KeyExchanges) || !slices.Equal(o.offer.HostKeys, want.HostKeys) ||
		!slices.Equal(o.offer.Ciphers, want.CiphersIn) || !slices.Equal(o.offer.MACs, want.MACsIn) {
		t.Errorf("offer %+v", o.offer)
	}
}

func TestParseMalformedOpening(t *testing.T) {
	init := ssh.Marshal(exampleInit())
	for what, rest := range map[string][]byte{
		"a length of a mebibyte":         {0, 16, 0, 0, 8, 20},
		"no length":                      {0, 0, 0, 0, 0},
		"more padding than packet":       {0, 0, 0, 4, 200, 20, 0, 0},
		"another message":                packet([]byte{21}, 8),
		"a list that is longer than all": packet(append(init[:17:17], 0xff, 0xff, 0xff, 0xff), 8),
		"cut short":                      packet(init[:len(init)-6], 8),
	} {
		o, more, err := parseOpening(append([]byte("SSH-2.0-Odd\n"), rest...))
		if more || err == nil || o.offer != nil || o.version != "SSH-2.0-Odd" {
			t.Errorf("%s: %+v, more %t, %v", what, o, more, err)
		}
	}
}

func TestAgreed(t *testing.T) {
	ours := Algorithms{KeyExchanges: []string{"a", "b"}, HostKeys: []string{"k"}, Ciphers: []string{"aes128-gcm@openssh.com", "aes128-ctr"}, MACs: []string{"m", "n"}}
	for want, offer := range map[string]Algorithms{
		"b k aes128-gcm@openssh.com": {KeyExchanges: []string{"b"}, HostKeys: []string{"k"}, Ciphers: []string{"aes128-ctr", "aes128-gcm@openssh.com"}, MACs: []string{"n"}},
		"a k aes128-ctr n":           {KeyExchanges: []string{"b", "a"}, HostKeys: []string{"k"}, Ciphers: []string{"aes128-ctr"}, MACs: []string{"n"}},
		"k":                          {HostKeys: []string{"k"}},
	} {
		if got := strings.Join(agreed(ours, offer), " "); got != want {
			t.Errorf("agreed on %q, want %q", got, want)
		}
	}
}

// What was parsed is built again and parsed to the same.
func FuzzParseOpening(f *testing.F) {
	f.Add(append([]byte("SSH-2.0-x\r\n"), packet(ssh.Marshal(exampleInit()), 8)...))
	f.Add([]byte("HTTP/1.1 400\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, more, err := parseOpening(data)
		if o.offer == nil {
			return
		}
		if more || err != nil || !strings.HasPrefix(o.version, "SSH-") {
			t.Fatalf("%+v, more %t, %v", o, more, err)
		}
		k := kexInit{KeyExchanges: o.offer.KeyExchanges, HostKeys: o.offer.HostKeys, CiphersIn: o.offer.Ciphers, MACsIn: o.offer.MACs}
		again, _, err := parseOpening(append([]byte(o.version+"\n"), packet(ssh.Marshal(k), 4)...))
		if err != nil || again.offer == nil || !slices.Equal(again.offer.KeyExchanges, o.offer.KeyExchanges) || !slices.Equal(again.offer.Ciphers, o.offer.Ciphers) {
			t.Fatalf("%+v became %+v, %v", o.offer, again.offer, err)
		}
	})
}

func FuzzConnectAnswer(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nX: y\r\n\r\nSSH-2.0-x")
	f.Add("HTTP/1.0 407\r\n\r\n")
	f.Add("SSH-2.0-x\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := strings.NewReader(text)
		header, err := readHeader(r)
		if err != nil {
			return
		}
		if len(header) > headerLimit || string(header)+text[len(text)-r.Len():] != text {
			t.Fatalf("read %q of %q", header, text)
		}
		if connectAnswer(header) == nil && !strings.HasPrefix(text, "HTTP/1.") {
			t.Fatalf("accepted %q", header)
		}
	})
}
