package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// getInputFocus is a request of the X protocol.
const getInputFocus = 43

// byteOrders are those of the X protocol, by a packet's first byte.
var byteOrders = map[byte]interface {
	binary.ByteOrder
	binary.AppendByteOrder
}{'B': binary.BigEndian, 'l': binary.LittleEndian}

// handmade is a program's first packet: its byte order, and a cookie or none.
func handmade(order byte, cookie string) []byte {
	name := "MIT-MAGIC-COOKIE-1\x00\x00"
	packet := []byte{order, 0}
	for _, v := range []int{11, 0, 18, len(cookie), 0} {
		packet = byteOrders[order].AppendUint16(packet, uint16(v))
	}
	return append(packet, name+cookie...)
}

// showSession has a program of the server say how it reaches the display.
const showSession = "echo session $(xauth list $DISPLAY | tail -n 1) $DISPLAY; "

// x11Session is what the server gave to a program.
type x11Session struct {
	cookie  string // the fake one, hexadecimal
	display string // localhost:N.0
}

// sessionOf waits for what a program with showSession says.
func (p *process) sessionOf(mark int, app string) x11Session {
	p.t.Helper()
	e := p.await(mark, app+" says its session", func(e control.Event) bool {
		return e.Kind == "app" && e.App == app && strings.HasPrefix(e.Detail, "session ")
	})
	words := strings.Fields(e.Detail) // session HOST:N PROTOCOL COOKIE DISPLAY
	if len(words) != 5 {
		p.t.Fatalf("the program says %q", e.Detail)
	}
	return x11Session{cookie: words[3], display: words[4]}
}

// port is where its programs reach the display, on the server.
func (s x11Session) port(t *testing.T) string {
	t.Helper()
	var number int
	if _, err := fmt.Sscanf(s.display, "localhost:%d.", &number); err != nil {
		t.Fatalf("display %q: %v", s.display, err)
	}
	return fmt.Sprintf("127.0.0.1:%d", 6000+number)
}

// Programs of either byte order talk to a real display, however many say half of
// what they should, or nothing, at the same time.
func TestHandmadeClients(t *testing.T) {
	t.Parallel()
	x, d := sshtest.StartXvfb(t), startX11SSHD(t)
	p := startDaemon(t, map[string]string{"work": server(d) + onDisplay(x) + appEntry("clock", showSession+"exec xclock -title clock")})
	p.link(0, "work", "up")
	p.must("launch", "work/clock")
	at := p.sessionOf(0, "clock")
	cookie := hexBytes(t, at.cookie)
	connect := func(packet []byte) *net.TCPConn {
		c := dialTCP(t, at.port(t))
		c.Write(packet)
		return c
	}
	for range 20 {
		connect(handmade('l', cookie)[:1]) // and no more
	}
	for order, number := range byteOrders {
		c := connect(handmade(order, cookie))
		head := make([]byte, 8)
		if _, err := io.ReadFull(c, head); err != nil || head[0] != 1 {
			t.Fatalf("%c: %v, answered %q", order, err, head)
		}
		io.CopyN(io.Discard, c, int64(number.Uint16(head[6:]))*4)
		c.Write(number.AppendUint16([]byte{getInputFocus, 0}, 1))
		reply := make([]byte, 32)
		if _, err := io.ReadFull(c, reply); err != nil || reply[0] != 1 || number.Uint16(reply[2:]) != 1 {
			t.Errorf("%c: %v, replied %q", order, err, reply)
		}
		for what, packet := range map[string][]byte{"cut off": handmade(order, cookie)[:40], "no cookie": handmade(order, ""), "half a cookie": handmade(order, cookie[:8])} {
			c := connect(packet)
			c.CloseWrite()
			if answer, _ := io.ReadAll(c); !strings.HasPrefix(string(answer), "\x00") || !strings.Contains(string(answer), string(fault.X11BadCookie)) {
				t.Errorf("%c, %s: answered %q", order, what, answer)
			}
		}
	}
	p.observe("work", "all are counted", func(q control.Profile) bool { return q.X11.Refusals[fault.X11BadCookie] == 6 })
	awaitWindows(t, x, "clock", 1)
}
