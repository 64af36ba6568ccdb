package forward

import (
	"bytes"
	"io"
	"net"
	"testing"
)

// scripted is a connection that brings data, at most step bytes a Read.
type scripted struct {
	net.Conn
	data *bytes.Reader
	step int
}

func (s *scripted) Read(p []byte) (int, error) { return s.data.Read(p[:min(len(p), s.step)]) }

// Whatever a client sends arrives as it was sent, unless it is a probe's token.
func FuzzSifted(f *testing.F) {
	token := bytes.Repeat([]byte("token"), 7)[:tokenSize]
	f.Add([]byte("GET / HTTP/1.0\r\n\r\n"), 100, 7)
	f.Add([]byte("t"), 1, 1)
	f.Add([]byte("tokento"), 32, 3)
	f.Add(token, 32, 10)
	f.Add(append(token, "and more"...), 8, 10)
	f.Add([]byte{}, 1, 1)
	f.Fuzz(func(t *testing.T, data []byte, step, size int) {
		step, size = max(1, step), max(1, size%100)
		s := &sifted{conn: &scripted{data: bytes.NewReader(data), step: step}, token: token, known: make(chan struct{})}
		var got []byte
		var err error
		for err == nil {
			buf := make([]byte, size)
			var n int
			n, err = s.Read(buf)
			got = append(got, buf[:n]...)
		}
		first := data[:min(len(data), step, tokenSize)]
		switch isToken := len(first) >= tokenSure && bytes.HasPrefix(token, first); {
		case isToken && (len(got) > 0 || err != errProbe):
			t.Errorf("a probe's bytes went on: %q, %v", got, err)
		case !isToken && (!bytes.Equal(got, data) || err != io.EOF):
			t.Errorf("%q became %q, %v", data, got, err)
		}
	})
}
