package forward

import (
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"

	"tunneld/fault"
)

// appendSOCKS5 is a client's request.
func appendSOCKS5(command byte, host string, port uint16) []byte {
	m := []byte{socks5, command, 0}
	switch ip, err := netip.ParseAddr(host); {
	case err != nil:
		m = append(append(m, socksName, byte(len(host))), host...)
	case ip.Is4():
		m = append(append(m, socksIPv4), ip.AsSlice()...)
	default:
		m = append(append(m, socksIPv6), ip.AsSlice()...)
	}
	return binary.BigEndian.AppendUint16(m, port)
}

// appendSOCKS4 is a client's request, of 4a for a name.
func appendSOCKS4(command byte, host, user string, port uint16) []byte {
	m := binary.BigEndian.AppendUint16([]byte{socks4, command}, port)
	ip, err := netip.ParseAddr(host)
	if err == nil {
		return append(append(append(m, ip.AsSlice()...), user...), 0)
	}
	m = append(append(append(m, 0, 0, 0, 1), user...), 0)
	return append(append(m, host...), 0)
}

// peer is a client whose words are known beforehand.
type peer struct {
	io.Reader
	io.Writer
}

// ask reads a request that a client sends, and what comes behind it. told is
// what the client hears before.
func ask(sent string) (r request, told, behind string, err error) {
	var out strings.Builder
	in := strings.NewReader(sent)
	r, err = readRequest(peer{in, &out})
	var rest io.Reader = in
	if r.stream != nil {
		rest = r.stream
	}
	text, _ := io.ReadAll(rest)
	return r, out.String(), string(text), err
}

func TestReadSOCKS(t *testing.T) {
	five := string([]byte{5, 2, 2, 0})
	long := strings.Repeat("a", nameLimit)
	for name, c := range map[string]struct {
		sent string
		host string
		port int
		err  error
	}{
		"4":                {sent: string(appendSOCKS4(1, "192.0.2.7", "ana", 80)), host: "192.0.2.7", port: 80},
		"4a":               {sent: string(appendSOCKS4(1, "db.internal", "", 5432)), host: "db.internal", port: 5432},
		"4 0.0.0.0":        {sent: string(appendSOCKS4(1, "0.0.0.0", "", 80)), host: "0.0.0.0", port: 80},
		"4 bind":           {sent: string(appendSOCKS4(2, "192.0.2.7", "", 80)), err: errCommand},
		"4 port 0":         {sent: string(appendSOCKS4(1, "192.0.2.7", "", 0)), err: errPort},
		"4 endless user":   {sent: string(appendSOCKS4(1, "192.0.2.7", long+"a", 80)), err: errName},
		"4a long":          {sent: string(appendSOCKS4(1, long, "", 80)), host: long, port: 80},
		"4a too long":      {sent: string(appendSOCKS4(1, long+"a", "", 80)), err: errName},
		"4a empty":         {sent: string(appendSOCKS4(1, "", "", 80)), err: errName},
		"5 IPv4":           {sent: five + string(appendSOCKS5(1, "192.0.2.7", 80)), host: "192.0.2.7", port: 80},
		"5 IPv6":           {sent: five + string(appendSOCKS5(1, "2001:db8::1", 443)), host: "2001:db8::1", port: 443},
		"5 mapped":         {sent: five + string(appendSOCKS5(1, "::ffff:192.0.2.7", 443)), host: "192.0.2.7", port: 443},
		"5 name":           {sent: five + string(appendSOCKS5(1, "db.internal", 5432)), host: "db.internal", port: 5432},
		"5 name of 4":      {sent: five + string(appendSOCKS5(1, "host", 1)), host: "host", port: 1},
		"5 longest name":   {sent: five + string(appendSOCKS5(1, long, 1)), host: long, port: 1},
		"5 empty name":     {sent: five + string(appendSOCKS5(1, "", 1)), err: errName},
		"5 escape":         {sent: five + string(appendSOCKS5(1, "a\x1b[2J", 1)), err: errName},
		"5 zero byte":      {sent: five + string(appendSOCKS5(1, "a\x00b", 1)), err: errName},
		"5 bind":           {sent: five + string(appendSOCKS5(2, "h", 1)), err: errCommand},
		"5 udp":            {sent: five + string(appendSOCKS5(3, "h", 0)), err: errCommand},
		"5 unknown type":   {sent: five + "\x05\x01\x00\x02h", err: errAddress},
		"silence":          {sent: "", err: errLeft},
		"garbage":          {sent: "\x16\x03\x01", err: errUnknown},
		"zero":             {sent: "\x00", err: errUnknown},
		"4 that breaks":    {sent: "\x04\x01", err: io.ErrUnexpectedEOF},
		"5 that breaks":    {sent: "\x05\x05\x00", err: io.ErrUnexpectedEOF},
		"5 breaks in host": {sent: five + "\x05\x01\x00\x03\x09host", err: io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			r, _, rest, err := ask(c.sent)
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if c.err != nil {
				return
			}
			if c.sent += "behind"; rest != "" {
				t.Errorf("%q behind nothing", rest)
			}
			r, _, rest, err = ask(c.sent)
			if err != nil {
				t.Fatal(err)
			}
			if r.host != c.host || r.port != c.port || rest != "behind" {
				t.Errorf("got %s port %d and %q behind it", r.host, r.port, rest)
			}
		})
	}
}

// What was read of a request is what a client meant, however it is spelt.
func FuzzSOCKS(f *testing.F) {
	for _, host := range []string{"192.0.2.7", "2001:db8::1", "db.internal", "", "a\x00b"} {
		f.Add(host, "ana", uint16(5432), byte(1))
	}
	f.Fuzz(func(t *testing.T, host, user string, port uint16, command byte) {
		if len(host) > nameLimit || len(user) > nameLimit || strings.ContainsRune(user, 0) {
			return
		}
		ip, err := netip.ParseAddr(host)
		if err == nil && (ip.Zone() != "" || ip.Is4In6()) {
			return // SOCKS has no words for these
		}
		want := host
		if err == nil {
			want = ip.String()
		}
		good := command == connect && checkTarget(want, int(port)) == nil
		sent := []string{"\x05\x01\x00" + string(appendSOCKS5(command, host, port))}
		if !strings.ContainsRune(host, 0) && !ip.Is6() && !strings.HasPrefix(want, "0.0.0.") { // 4a takes that for a name's sign
			sent = append(sent, string(appendSOCKS4(command, host, user, port)))
		}
		for _, s := range sent {
			r, _, behind, err := ask(s + "behind")
			if (err == nil) != good {
				t.Fatalf("%q: %v", s, err)
			}
			if good && (r.host != want || r.port != int(port) || behind != "behind") {
				t.Errorf("%q: host %q port %d, %q behind", s, r.host, r.port, behind)
			}
		}
	})
}

// Whatever a client sends, reading it ends, and what it asks for is sound.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{"\x04\x01\x00\x50\x00\x00\x00\x01ana\x00h\x00", "\x05\x01\x00\x05\x01\x00\x03\x01h\x00\x50", "CONNECT h:1 HTTP/1.1\r\n\r\n", "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		r, _, _, err := ask(sent)
		if r.answer != nil {
			r.answer(err)
		}
		if err == nil && (checkTarget(r.host, r.port) != nil || r.answer == nil) {
			t.Errorf("host %q, port %d", r.host, r.port)
		}
	})
}

func TestAnswersOfSOCKS(t *testing.T) {
	for code, want := range map[fault.Code]byte{
		"": 0, fault.TargetRefused: 5, fault.TargetDenied: 2, fault.TargetTimeout: 4, fault.HoldExpired: 6, fault.KeepaliveLost: 1,
	} {
		var err error
		four := byte(91)
		if code != "" {
			err = fault.New(code, fault.Forward, "so it is")
		} else {
			four = 90
		}
		if got := answerSOCKS5(err); len(got) != 10 || got[0] != socks5 || got[1] != want {
			t.Errorf("5: %s is %d", code, got)
		}
		if got := answerSOCKS4(err); len(got) != 8 || got[0] != 0 || got[1] != four {
			t.Errorf("4: %s is %d", code, got)
		}
	}
	for sent, want := range map[string]string{
		"\x05\x01\x00" + string(appendSOCKS5(3, "h", 1)): "\x07",
		"\x05\x01\x00\x05\x01\x00\x09h":                  "\x08",
	} {
		r, told, _, err := ask(sent)
		if err == nil || told != "\x05\x00" || string(r.answer(err)[1:2]) != want {
			t.Errorf("%q: told %q, then %q", sent, told, r.answer(err))
		}
	}
	r, _, _, err := ask("\x05\x01\x02") // a password alone
	if err == nil || string(r.answer(err)) != "\x05\xff" {
		t.Errorf("no method: %v", err)
	}
}
