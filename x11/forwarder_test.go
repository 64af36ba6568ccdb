package x11

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tunneld/fault"
	"tunneld/forward"
	"tunneld/internal/sshtest"
)

// echoDisplay takes the cookie "real" of either byte order, and then sends
// everything back until its client ends. Others it refuses.
func echoDisplay(conn net.Conn) {
	s, err := readSetup(conn)
	if err != nil {
		return
	}
	if s.auth.Name != "NAME" || s.auth.Data.bytes() != "real" {
		conn.Write(s.refusal("wrong cookie here"))
		return
	}
	answer := []byte{0: verdictSuccess, 7: 0}
	s.order().PutUint16(answer[2:], 11)
	conn.Write(answer)
	io.Copy(conn, conn)
}

var realAuth = Auth{Name: "NAME", Data: cookieOf([]byte("real"))}

// A program of either byte order gets through with the fake cookie alone, and
// the end of what it sends leaves the way back open.
func TestForwarderBothByteOrders(t *testing.T) {
	sshtest.Leaks(t)
	d := newDesk(t, &Forwarder{})
	g := d.allow(&Grant{Display: fakeDisplay(t, echoDisplay), Auth: fixed(realAuth), Trusted: true})
	text := strings.Repeat("x", 3<<20) // more than fits on the way
	for _, order := range []byte{'l', 'B'} {
		conn := d.connect(t, packetOf(order, magicCookie, g.Cookie.bytes()))
		answer := make([]byte, 8)
		must[int](t)(io.ReadFull(conn, answer))
		if answer[0] != verdictSuccess {
			t.Errorf("%c: answer %q", order, answer)
		}
		sshtest.Eventually(t, patience, "the window is counted", func() bool { return g.Windows() == 1 })
		sent := make(chan error, 1)
		go func() {
			_, err := io.WriteString(conn, text)
			sent <- errors.Join(err, conn.(*net.TCPConn).CloseWrite())
		}()
		got, err := io.ReadAll(conn)
		if string(got) != text || err != nil || <-sent != nil {
			t.Errorf("%c: %d bytes back, %v", order, len(got), err)
		}
		sshtest.Eventually(t, patience, "the window is gone", func() bool { return g.Windows() == 0 })
	}
	sshtest.Eventually(t, patience, "both are counted", func() bool {
		s := d.Stats()
		return s.Active == 0 && s.Total == 2 && s.Refused == 0 && s.ToDisplay == 2*3<<20 && s.ToProgram == 2*3<<20
	})
}

// Who shows no cookie of ours is told so, and no display hears of it.
func TestForwarderBadCookie(t *testing.T) {
	var reached atomic.Int32
	d := newDesk(t, &Forwarder{Limit: time.Minute})
	display := fakeDisplay(t, func(net.Conn) { reached.Add(1) })
	g := d.allow(&Grant{Display: display, Trusted: true})
	gone := d.allow(&Grant{Display: display, Trusted: true})
	d.Withdraw(gone)
	fake := g.Cookie.bytes()
	for name, packet := range map[string][]byte{
		"another":        packetOf('l', magicCookie, "0123456789abcdef"),
		"another, big":   packetOf('B', magicCookie, "0123456789abcdef"),
		"none":           packetOf('B', "", ""),
		"a part":         packetOf('l', magicCookie, fake[:15]),
		"more":           packetOf('l', magicCookie, fake+"\x00"),
		"another name":   packetOf('l', "MIT-MAGIC-COOKIE-2", fake),
		"one withdrawn":  packetOf('l', magicCookie, gone.Cookie.bytes()),
		"an endless one": packetOf('B', magicCookie, strings.Repeat("x", 300))[:12],
	} {
		reason := readRefusal(t, packet[0], d.connect(t, packet))
		if !strings.HasPrefix(reason, "tunneld: x11_bad_cookie: ") || strings.Contains(reason, fake) {
			t.Errorf("%s: told %q", name, reason)
		}
		d.wantRefused(t, fault.X11BadCookie)
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the display was reached %d times", n)
	}
	if s := d.Stats(); s.Refused != 8 || s.Refusals[fault.X11BadCookie] != 8 {
		t.Errorf("counted %+v", s)
	}
}

// A stream that is no X11, or ends too soon, is closed and counted; one that
// ends without a word is nothing to tell.
func TestForwarderNoPacket(t *testing.T) {
	d := newDesk(t, &Forwarder{})
	for _, packet := range []string{"GET / HTTP/1.1\r\n\r\n", "l\x00\x0b", string(packetOf('l', magicCookie, "0123456789abcdef")[:30])} {
		conn := d.connect(t, []byte(packet))
		conn.(*net.TCPConn).CloseWrite()
		if packet[0] == 'l' && len(packet) > 12 {
			readRefusal(t, 'l', conn)
		} else if got, _ := io.ReadAll(conn); len(got) != 0 {
			t.Errorf("%q is answered with %q", packet, got)
		}
		d.wantRefused(t, fault.X11BadCookie)
	}
	d.connect(t, nil).Close()
	sshtest.Eventually(t, patience, "the stream is over", func() bool { s := d.Stats(); return s.Active == 0 && s.Total == 4 })
	if s := d.Stats(); s.Refused != 3 {
		t.Errorf("counted %+v", s)
	}
}

// A program that sends its packet byte by byte has only so much time for it.
func TestForwarderSlowPacket(t *testing.T) {
	d := newDesk(t, &Forwarder{Limit: 100 * time.Millisecond})
	conn := d.connect(t, packetOf('l', magicCookie, "0123456789abcdef")[:20])
	if got, _ := io.ReadAll(conn); len(got) != 0 {
		t.Errorf("answered with %q", got)
	}
	d.wantRefused(t, fault.X11BadCookie)
}

// What is wrong with a session or its display is told to the program, in the X
// protocol, and counted under its code.
func TestForwarderRefusals(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	echo := fakeDisplay(t, echoDisplay)
	own := fault.New(fault.X11SecurityOpen, fault.X11, "found open")
	for name, c := range map[string]struct {
		grant *Grant
		code  fault.Code
		says  string
	}{
		"expired":           {&Grant{Display: echo, Auth: fixed(realAuth), Expires: now}, fault.X11Expired, "12:00:00"},
		"not running":       {&Grant{Display: Display{Socket: "/nowhere:0"}, Trusted: true}, fault.X11DisplayRefused, "/nowhere:0"},
		"another cookie":    {&Grant{Display: echo, Auth: fixed(magic(NewCookie()))}, fault.X11DisplayRefused, "wrong cookie here"},
		"hangs":             {&Grant{Display: fakeDisplay(t, silent), Auth: fixed(realAuth)}, fault.X11DisplayRefused, "no answer in time"},
		"hangs up":          {&Grant{Display: fakeDisplay(t, func(net.Conn) {}), Auth: fixed(realAuth)}, fault.X11DisplayRefused, "display"},
		"not restricted":    {&Grant{Display: echo}, fault.X11SecurityOpen, "restricts"},
		"restricts nothing": {&Grant{Display: echo, Auth: fixed(Auth{})}, fault.X11SecurityOpen, "restricts"},
		"auth fails":        {&Grant{Display: echo, Auth: func(context.Context) (Auth, error) { return Auth{}, own }}, fault.X11SecurityOpen, "found open"},
		"auth fails plain":  {&Grant{Display: echo, Auth: func(context.Context) (Auth, error) { return Auth{}, io.EOF }}, fault.X11DisplayRefused, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			limit := time.Minute
			if name == "hangs" {
				limit = time.Second
			}
			d := newDesk(t, &Forwarder{Limit: limit, Now: func() time.Time { return now }})
			g := d.allow(c.grant)
			reason := readRefusal(t, 'B', d.connect(t, packetOf('B', magicCookie, g.Cookie.bytes())))
			if !strings.HasPrefix(reason, "tunneld: "+string(c.code)+": ") || !strings.Contains(reason, c.says) {
				t.Errorf("told %q", reason)
			}
			d.wantRefused(t, c.code)
			if s := d.Stats(); s.Refusals[c.code] != 1 {
				t.Errorf("counted %+v", s)
			}
		})
	}
}

// A window that is open when the time ends stays.
func TestForwarderExpiryLeavesOpenWindows(t *testing.T) {
	var now atomic.Int64
	d := newDesk(t, &Forwarder{Now: func() time.Time { return time.Unix(now.Load(), 0) }})
	g := d.allow(&Grant{Display: fakeDisplay(t, echoDisplay), Auth: fixed(realAuth), Expires: time.Unix(10, 0)})
	packet := packetOf('l', magicCookie, g.Cookie.bytes())
	conn := d.connect(t, packet)
	must[int](t)(io.ReadFull(conn, make([]byte, 8)))
	now.Store(10)
	readRefusal(t, 'l', d.connect(t, packet))
	d.wantRefused(t, fault.X11Expired)
	must[int](t)(io.WriteString(conn, "still"))
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); string(got) != "still" {
		t.Errorf("%q, %v", got, err)
	}
}

// A program that is gone when the display answers is no refusal, and leaves no
// connection to the display behind.
func TestForwarderProgramLeaves(t *testing.T) {
	asked, left, over := make(chan bool), make(chan bool), make(chan bool)
	d := newDesk(t, &Forwarder{})
	g := d.allow(&Grant{Trusted: true, Display: fakeDisplay(t, func(conn net.Conn) {
		readSetup(conn)
		asked <- true
		<-left
		conn.Write([]byte{0: verdictSuccess, answerHead - 1: 0})
		io.Copy(io.Discard, conn)
		close(over)
	})})
	conn := d.connect(t, packetOf('l', magicCookie, g.Cookie.bytes())).(*net.TCPConn)
	<-asked
	conn.SetLinger(0) // a reset, which the answer runs into
	conn.Close()
	left <- true
	select {
	case <-over:
	case <-time.After(patience):
		t.Error("the connection to the display stays")
	}
	sshtest.Eventually(t, patience, "the stream is over", func() bool { return d.Stats().Active == 0 })
}

// Two sessions with displays of their own never mix.
func TestForwarderTellsSessionsApart(t *testing.T) {
	d := newDesk(t, &Forwarder{})
	named := func(name byte) *Grant {
		display := fakeDisplay(t, func(conn net.Conn) {
			readSetup(conn)
			conn.Write([]byte{0: verdictSuccess, 7: 0, 8: name})
		})
		return d.allow(&Grant{Display: display, Trusted: true})
	}
	a, b := named('a'), named('b')
	for range 5 {
		for g, name := range map[*Grant]byte{a: 'a', b: 'b'} {
			got, err := io.ReadAll(d.connect(t, packetOf('l', magicCookie, g.Cookie.bytes())))
			if err != nil || len(got) != 9 || got[8] != name {
				t.Errorf("%q, %v; want %c", got, err, name)
			}
		}
	}
}

// The end of Serve cuts what is open, in every stage.
func TestForwarderEnd(t *testing.T) {
	sshtest.Leaks(t)
	d := newDesk(t, &Forwarder{Limit: time.Hour})
	echo := d.allow(&Grant{Display: fakeDisplay(t, echoDisplay), Auth: fixed(realAuth)})
	hangs := d.allow(&Grant{Display: fakeDisplay(t, silent), Auth: fixed(realAuth)})
	open := d.connect(t, packetOf('l', magicCookie, echo.Cookie.bytes()))
	must[int](t)(io.ReadFull(open, make([]byte, 8)))
	waiting := d.connect(t, packetOf('l', magicCookie, hangs.Cookie.bytes()))
	slow := d.connect(t, []byte("l"))
	sshtest.Eventually(t, patience, "all three are accepted", func() bool { return d.Stats().Active == 3 })
	d.end()
	for _, conn := range []net.Conn{open, waiting, slow} {
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	}
	if s := d.Stats(); s.Active != 0 || s.Refused != 0 {
		t.Errorf("counted %+v", s)
	}
}

// A listener that fails is replaced by the next. Where there is none, or it did
// not live for a second, Serve waits a moment first.
func TestForwarderListensAgain(t *testing.T) {
	var now atomic.Int64
	pauses, listeners := make(chan time.Time), make(chan net.Listener)
	f := &Forwarder{Splice: forward.Splice, Now: func() time.Time { return time.Unix(now.Load(), 0) }}
	f.After = func(time.Duration) <-chan time.Time { return pauses }
	f.Listen = func(ctx context.Context) (net.Listener, error) {
		select {
		case l := <-listeners:
			if l == nil {
				return nil, io.EOF
			}
			return l, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	g := &Grant{Display: fakeDisplay(t, echoDisplay), Auth: fixed(realAuth)}
	f.Allow(g)
	defer serve(t, f.Serve)()
	for _, lived := range []int64{0, 0, 1, 5} {
		listener, number := listenX(t)
		listeners <- listener
		conn := must[net.Conn](t)(Display{Host: "127.0.0.1", Number: number}.Dial(t.Context()))
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		must[int](t)(conn.Write(packetOf('l', magicCookie, g.Cookie.bytes())))
		must[int](t)(io.ReadFull(conn, make([]byte, answerHead)))
		now.Add(lived)
		listener.Close()
		if lived == 0 {
			pauses <- time.Time{}
			listeners <- nil
			pauses <- time.Time{}
		}
	}
}

// A panic in what the owner brought ends one stream.
func TestForwarderPanic(t *testing.T) {
	d := newDesk(t, &Forwarder{})
	g := d.allow(&Grant{Display: fakeDisplay(t, silent), Auth: func(context.Context) (Auth, error) { panic("auth") }})
	readRefusal(t, 'l', d.connect(t, packetOf('l', magicCookie, g.Cookie.bytes())))
	select {
	case err := <-d.refused:
		if _, ok := errors.AsType[*fault.Panic](err); !ok {
			t.Errorf("refused with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("nobody was told")
	}
}

// The payload of x11-req is that of RFC 4254 section 6.3.1.
func TestRequest(t *testing.T) {
	g := &Grant{Cookie: must[Cookie](t)(ParseCookie("00ff10")), Display: Display{Screen: 2}}
	var want bytes.Buffer
	want.WriteByte(0)
	for _, text := range []string{"MIT-MAGIC-COOKIE-1", "00ff10"} {
		binary.Write(&want, binary.BigEndian, uint32(len(text)))
		want.WriteString(text)
	}
	binary.Write(&want, binary.BigEndian, uint32(2))
	if got := g.Request(); !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%q, want %q", got, want.Bytes())
	}
}

// Cut ends the windows of one grant, and of no other.
func TestForwarderCut(t *testing.T) {
	d := newDesk(t, &Forwarder{})
	display := fakeDisplay(t, echoDisplay)
	var grants []*Grant
	var programs []net.Conn
	for range 2 {
		g := d.allow(&Grant{Display: display, Auth: fixed(realAuth), Trusted: true})
		grants = append(grants, g)
		programs = append(programs, d.connect(t, packetOf('l', magicCookie, g.Cookie.bytes())))
		must[int](t)(io.ReadFull(programs[len(programs)-1], make([]byte, 8)))
	}
	d.Withdraw(grants[0])
	grants[0].Cut()
	if _, err := programs[0].Read(make([]byte, 1)); err == nil {
		t.Error("a window outlives Cut")
	}
	sshtest.Eventually(t, patience, "one window is left", func() bool { return grants[0].Windows() == 0 && grants[1].Windows() == 1 })
	must[int](t)(programs[1].Write([]byte("x")))
	must[int](t)(io.ReadFull(programs[1], make([]byte, 1)))
}
