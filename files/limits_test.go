package files

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
)

// scripted answers with what it was given, and keeps what was asked.
type scripted struct {
	io.Reader
	asked bytes.Buffer
}

func (s *scripted) Write(p []byte) (int, error) { return s.asked.Write(p) }

// message has a length before its parts.
func message(parts ...any) []byte {
	var body []byte
	for _, p := range parts {
		if s, ok := p.(string); ok {
			body = append(binary.BigEndian.AppendUint32(body, uint32(len(s))), s...)
			continue
		}
		body, _ = binary.Append(body, binary.BigEndian, p)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func TestLimits(t *testing.T) {
	plain := message(byte(2), uint32(3), "posix-rename@openssh.com", "1")
	knows := message(byte(2), uint32(3), "posix-rename@openssh.com", "1", limitsExtension, "1")
	limits := func(read, write uint64) []byte {
		return message(byte(201), uint32(0), uint64(256<<10), read, write, uint64(0))
	}
	for name, c := range map[string]struct {
		version, answer []byte
		size            int
	}{
		"an old server":     {plain, nil, packet},
		"another version":   {message(byte(2), uint32(3), limitsExtension, "2"), nil, packet},
		"OpenSSH":           {knows, limits(261120, 261120), mostPacket},
		"more than we take": {knows, limits(4<<20, 4<<20), mostPacket},
		"less of one":       {knows, limits(261120, 100_000), 100_000},
		"less than it must": {knows, limits(1000, 1000), packet},
		"it does not say":   {knows, limits(0, 0), packet},
		"a refusal":         {knows, message(byte(101), uint32(0), uint32(8), "no", "en"), packet},
	} {
		s := &scripted{Reader: bytes.NewReader(append(c.version[:len(c.version):len(c.version)], c.answer...))}
		size, version, err := askLimits(s)
		if err != nil || size != c.size || !bytes.Equal(version, c.version) {
			t.Errorf("%s: %d, %v", name, size, err)
		}
		if asked := s.asked.Len() > len(hello); asked != (c.answer != nil) {
			t.Errorf("%s: it was asked %q", name, s.asked.Bytes())
		}
	}
}

// What a server says first does no harm.
func FuzzAskLimits(f *testing.F) {
	f.Add(message(byte(2), uint32(3), limitsExtension, "1"))
	f.Add(append(message(byte(2), uint32(3), limitsExtension, "1"), message(byte(201), uint32(0), uint64(1), uint64(1<<63), uint64(1<<40), uint64(0))...))
	f.Add([]byte("Welcome\r\n"))
	f.Add([]byte{0, 0, 0, 9, 2, 0, 0, 0, 3, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, said []byte) {
		size, version, err := askLimits(&scripted{Reader: bytes.NewReader(said)})
		if err == nil && (size < packet || size > mostPacket || !bytes.HasPrefix(said, version)) {
			t.Errorf("%d, %q", size, version)
		}
	})
}
