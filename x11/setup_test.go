package x11

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
)

// packetOf is a client's packet, made apart from the code under test.
func packetOf(order byte, name, data string) []byte {
	by := binary.ByteOrder(binary.LittleEndian)
	if order == 'B' {
		by = binary.BigEndian
	}
	p := make([]byte, 12)
	p[0] = order
	by.PutUint16(p[2:], 11)
	by.PutUint16(p[6:], uint16(len(name)))
	by.PutUint16(p[8:], uint16(len(data)))
	for _, field := range []string{name, data} {
		p = append(p, field...)
		for len(p)%4 != 0 {
			p = append(p, 0)
		}
	}
	return p
}

// The packet that goes on has the name and the cookie of the display, whatever
// their lengths, in the client's byte order.
func TestSetupSwapsAuth(t *testing.T) {
	for _, order := range []byte{'l', 'B'} {
		for _, real := range []string{"", "r", "four", "sixteen bytes ok", strings.Repeat("x", 255)} {
			in := packetOf(order, magicCookie, "fake")
			in[1], in[10], in[4] = 7, 8, 9 // kept as they are
			s, err := readSetup(bytes.NewReader(append(bytes.Clone(in), "requests"...)))
			if err != nil || s.auth.Name != magicCookie || s.auth.Data.bytes() != "fake" {
				t.Fatalf("%c: %+v, %v", order, s, err)
			}
			want := packetOf(order, "NAME", real)
			want[1], want[10], want[4] = 7, 8, 9
			if got := s.packet(Auth{"NAME", cookieOf([]byte(real))}); !bytes.Equal(got, want) {
				t.Errorf("%c, %d bytes: %q, want %q", order, len(real), got, want)
			}
			if got := s.packet(s.auth); !bytes.Equal(got, in) {
				t.Errorf("%c: round trip %q, want %q", order, got, in)
			}
		}
	}
}

// Not a byte beyond the packet is read: it belongs to the display.
func TestSetupReadsNoMore(t *testing.T) {
	r := bytes.NewReader(append(packetOf('B', "odd", "12345"), "requests"...))
	must[setup](t)(readSetup(r))
	if rest, _ := io.ReadAll(r); string(rest) != "requests" {
		t.Errorf("left over: %q", rest)
	}
}

func TestSetupRefuses(t *testing.T) {
	whole := packetOf('l', magicCookie, "0123456789abcdef")
	for name, c := range map[string]struct {
		packet []byte
		want   error
		speaks bool // its client can be told
	}{
		"nothing":      {nil, io.EOF, false},
		"a byte":       {whole[:1], io.ErrUnexpectedEOF, false},
		"half a head":  {whole[:11], io.ErrUnexpectedEOF, false},
		"no name":      {whole[:12], io.ErrUnexpectedEOF, true},
		"half a name":  {whole[:20], io.ErrUnexpectedEOF, true},
		"all but one":  {whole[:len(whole)-1], io.ErrUnexpectedEOF, true},
		"no order":     {append([]byte{'x'}, whole[1:]...), errNoSetup, false},
		"a long name":  {packetOf('l', strings.Repeat("n", 257), ""), errLongSetup, true},
		"a long data":  {packetOf('B', "", strings.Repeat("d", 257)), errLongSetup, true},
		"longest data": {packetOf('B', "", strings.Repeat("d", 256)), nil, true},
	} {
		s, err := readSetup(bytes.NewReader(c.packet))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if (s.refusal("no") != nil) != c.speaks {
			t.Errorf("%s: refusal %q", name, s.refusal("no"))
		}
	}
}

// readRefusal reads a refusal as a client does.
func readRefusal(t testing.TB, order byte, r io.Reader) string {
	t.Helper()
	by := binary.ByteOrder(binary.LittleEndian)
	if order == 'B' {
		by = binary.BigEndian
	}
	p := must[[]byte](t)(io.ReadAll(r))
	if len(p) < 8 || p[0] != 0 || by.Uint16(p[2:]) != 11 || by.Uint16(p[4:]) != 0 || int(by.Uint16(p[6:]))*4 != len(p)-8 || int(p[1]) > len(p)-8 {
		t.Fatalf("%c: no refusal: %q", order, p)
	}
	return string(p[8 : 8+int(p[1])])
}

func TestRefusal(t *testing.T) {
	for _, order := range []byte{'l', 'B'} {
		s := must[setup](t)(readSetup(bytes.NewReader(packetOf(order, "", ""))))
		if got := readRefusal(t, order, bytes.NewReader(s.refusal("bad cookie"))); got != "bad cookie\n" {
			t.Errorf("%c: %q", order, got)
		}
		long := readRefusal(t, order, bytes.NewReader(s.refusal(strings.Repeat("y", 1000))))
		if len(long) != 255 || !strings.HasSuffix(long, "y\n") {
			t.Errorf("%c: %d bytes", order, len(long))
		}
	}
}

func FuzzSetup(f *testing.F) {
	f.Add(packetOf('l', magicCookie, "0123456789abcdef"))
	f.Add(packetOf('B', "", ""))
	f.Add([]byte("l23456789012345"))
	f.Fuzz(func(t *testing.T, packet []byte) {
		s, err := readSetup(bytes.NewReader(packet))
		if refusal := s.refusal("why"); refusal != nil {
			readRefusal(t, s.head[0], bytes.NewReader(refusal))
		}
		if err != nil {
			return
		}
		again, err := readSetup(bytes.NewReader(s.packet(s.auth)))
		if err != nil || again.head != s.head || again.auth.Name != s.auth.Name || again.auth.Data.Hex() != s.auth.Data.Hex() {
			t.Errorf("%q: round trip %+v, %v", packet, again, err)
		}
	})
}
