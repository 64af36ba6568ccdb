package x11

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// greeting is a display's yes, without a screen, that ends with vendor.
func greeting(vendor string) []byte {
	body := make([]byte, 32)
	le.PutUint16(body[16:], uint16(len(vendor)))
	body = append(body, padded(vendor)...)
	head := []byte{0: verdictSuccess, 2: 11, 7: 0}
	le.PutUint16(head[6:], uint16(len(body)/4))
	return append(head, body...)
}

// message is a reply or the like, with the parts that matter.
func message(kind byte, seq uint16, units uint32) []byte {
	m := make([]byte, messageSize)
	m[0] = kind
	le.PutUint16(m[2:], seq)
	le.PutUint32(m[4:], units)
	return m
}

// A display that lies ends the call with an error, and nothing else.
func TestLyingDisplays(t *testing.T) {
	sshtest.Leaks(t)
	const either = "" // the first reply may be the answer, if it comes after the question
	long := greeting("")
	long[answerHead+16] = 1
	crowded := greeting("vendor")
	crowded[answerHead+20] = 1
	for name, c := range map[string]struct{ says, want string }{
		"nothing":            {"", "EOF"},
		"HTTP":               {"HTTP/1.1 400 Bad Request\r\n\r\n", "it refuses"},
		"no":                 {string(setup{head: [12]byte{'l'}}.refusal("go \x1b[31maway")), "it refuses: go [31maway"},
		"no, of other size":  {"\x00\xff\x0b\x00\x00\x00\x01\x00why", "it refuses: why"},
		"authenticate":       {"\x02\x00\x00\x00\x00\x00\x01\x00more", "it refuses: more"},
		"a short greeting":   {"\x01\x00\x0b\x00\x00\x00\x01\x00abcd", "makes no sense"},
		"a long vendor":      {string(long), "makes no sense"},
		"a screen too many":  {string(crowded), "makes no sense"},
		"half a greeting":    {string(greeting("vendor"))[:30], "unexpected EOF"},
		"half a reply":       {string(greeting("v")) + "\x01half", "unexpected EOF"},
		"an endless reply":   {string(greeting("v")) + string(message(isReply, 1, 0x3ffffff8)), "1073741816"},
		"a reply to nothing": {string(greeting("v")) + string(message(isReply, 77, 0)), "a reply to nothing"},
		"an unknown error":   {string(greeting("v")) + string(message(isError, 1, 0)), "error 0"},
		"two replies":        {string(greeting("v")) + strings.Repeat(string(message(isReply, 1, 0)), 2), either},
		"events and no end":  {string(greeting("v")) + strings.Repeat(string(message(99, 1, 0)), 5), "EOF"},
		"an endless event":   {string(greeting("v")) + string(message(isGenericEvent, 1, 1<<31)), "2147483648"},
	} {
		d := fakeDisplay(t, func(conn net.Conn) {
			readSetup(conn)
			io.WriteString(conn, c.says)
			conn.(*net.UnixConn).CloseWrite()
			io.Copy(io.Discard, conn)
		})
		if _, err := Probe(t.Context(), d, Auth{}); err != nil || c.want != either {
			wantCode(t, err, fault.X11DisplayRefused)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", name, err, c.want)
			}
		}
		if _, err := Authorize(t.Context(), d, Auth{}, 0); err == nil {
			t.Errorf("%s: it is authorized", name)
		}
	}
}

// A display that claims the extension but does not restrict is found out.
func TestAuthorizeProves(t *testing.T) {
	cookie := NewCookie()
	d := fakeDisplay(t, func(conn net.Conn) {
		s, err := readSetup(conn)
		if err != nil {
			return
		}
		if !s.auth.Data.IsZero() && !s.auth.Data.Equal(cookie) {
			conn.Write(s.refusal("wrong cookie"))
			return
		}
		conn.Write(greeting("liar"))
		for seq := uint16(1); ; seq++ {
			head := make([]byte, 4)
			if _, err := io.ReadFull(conn, head); err != nil {
				return
			}
			io.CopyN(io.Discard, conn, int64(le.Uint16(head[2:]))*4-4)
			reply := message(isReply, seq, 4) // to every request: yes, and a cookie
			reply[8], reply[9], reply[12] = 1, 200, 16
			if !(head[0] == 200 && head[1] == securityRevoke) {
				conn.Write(append(reply, cookie.bytes()...))
			}
		}
	})
	a, err := Authorize(t.Context(), d, Auth{}, 0)
	if err == nil {
		serve(t, a.Serve)
		t.Fatal("it is believed")
	}
	wantCode(t, err, fault.X11SecurityOpen)
	if !strings.Contains(err.Error(), "does not restrict") {
		t.Error(err)
	}
}

// The timeout is always in the request, and never less than was asked for.
func TestGenerateRequest(t *testing.T) {
	for timeout, want := range map[time.Duration]string{0: "00000000", time.Nanosecond: "01000000", 300 * time.Second: "2c010000"} {
		got := hex.EncodeToString(generateRequest(extension{opcode: 0x88}, timeout))
		head := "88010000" + "12000000" + "0b000000" + hex.EncodeToString([]byte("MIT-MAGIC-COOKIE-1\x00\x00"))
		if got != head+want+"01000000"+"01000000" {
			t.Errorf("%v: %s", timeout, got)
		}
	}
}

// What a hint tells a person to run has no words of the display in it.
func TestOpenDoors(t *testing.T) {
	entry := func(family byte, address string) string {
		return string([]byte{family, 0, byte(len(address)), 0}) + padded(address)
	}
	me := []string{"ana", "#1000"}
	for list, want := range map[string]string{
		"": "",
		entry(5, "localuser\x00ana") + entry(5, "localuser\x00bob") + entry(5, "localuser\x00#1000"):                "si:localuser:ana si:localuser:#1000",
		entry(5, "localuser\x00ana;reboot") + entry(5, "hostname\x00$(reboot)") + entry(252, ""):                    "local:",
		entry(0, "\xc0\x00\x02\x07") + entry(6, "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07"): "inet:192.0.2.7 inet:2001:db8::7",
		entry(0, "\xc0\x00\x02") + entry(99, "x"):                                                                   "",
		entry(252, "") + "\x05\x00\xff\xff":                                                                         "local:",
	} {
		if got := strings.Join(openDoors([]byte(list), me), " "); got != want {
			t.Errorf("%q: %s, want %s", list, got, want)
		}
	}
}

// conversation is a display that says what it says, whatever it is told.
type conversation struct {
	net.Conn // nothing else of it is called
	says     *bytes.Reader
}

func (c conversation) Read(p []byte) (int, error)  { return c.says.Read(p) }
func (c conversation) Write(p []byte) (int, error) { return len(p), nil }
func (c conversation) SetDeadline(time.Time) error { return nil }

func FuzzDisplay(f *testing.F) {
	for _, replies := range []string{"", "\x01", string(message(isReply, 1, 0)), string(message(isError, 1, 0))} {
		f.Add(append(greeting("vendor"), replies...))
	}
	f.Add([]byte("\x00\x08\x0b\x00\x00\x00\x02\x00refused."))
	f.Fuzz(func(t *testing.T, says []byte) {
		ctx := context.Background()
		c := &client{conn: conversation{says: bytes.NewReader(says)}}
		if c.greet(ctx, Auth{}) != nil {
			return
		}
		x, err := c.security(ctx)
		if err != nil {
			return
		}
		c.generate(ctx, x, 0)
		c.openError(ctx)
		c.revoke(ctx, x, 1)
	})
}
