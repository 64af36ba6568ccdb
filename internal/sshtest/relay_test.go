package sshtest_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"tunneld/internal/sshtest"
)

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn.(*net.TCPConn)
}

// ping sends one byte and wants it back.
func ping(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := conn.Write([]byte{'x'}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

func TestRelayIsTransparent(t *testing.T) {
	sshtest.Leaks(t)
	r := sshtest.NewRelay(t, sshtest.Sink(t).Addr)
	digestThrough(t, r.Addr, 8<<20)
	if up, down := r.Bytes(); up != 8<<20 || down == 0 {
		t.Errorf("%d up, %d down", up, down)
	}
	sshtest.Eventually(t, patience, "the wire is over", func() bool { return r.Active() == 0 })
	if r.Accepted() != 1 {
		t.Errorf("%d accepted", r.Accepted())
	}
	conn := dial(t, sshtest.NewRelay(t, sshtest.Source(t, 5<<20).Addr).Addr)
	if got, want := sshtest.Digest(conn), sshtest.Digest(sshtest.Pattern(5<<20)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRelayCut(t *testing.T) {
	sshtest.Leaks(t)
	r := sshtest.NewRelay(t, sshtest.Echo(t).Addr)
	conn := dial(t, r.Addr)
	ping(t, conn)
	if n := r.Cut(); n != 1 {
		t.Errorf("%d cut", n)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read after Cut: %v, want a reset", err)
	}
	ping(t, dial(t, r.Addr))
}

func TestRelayFreeze(t *testing.T) {
	sshtest.Leaks(t)
	r := sshtest.NewRelay(t, sshtest.Echo(t).Addr)
	conn := dial(t, r.Addr)
	ping(t, conn)
	r.Freeze()
	fresh := dial(t, r.Addr)
	for _, c := range []*net.TCPConn{conn, fresh} {
		if _, err := c.Write([]byte("held")); err != nil {
			t.Fatal(err)
		}
		c.CloseWrite()
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read while frozen: %v", err)
		}
	}
	r.Thaw()
	for _, c := range []*net.TCPConn{conn, fresh} {
		c.SetReadDeadline(time.Now().Add(patience))
		if got, err := io.ReadAll(c); err != nil || string(got) != "held" {
			t.Errorf("after Thaw: %q, %v", got, err)
		}
	}
	r.Freeze() // the cleanup ends a frozen relay too
	dial(t, r.Addr)
}

func TestRelayRefuse(t *testing.T) {
	sshtest.Leaks(t)
	r := sshtest.NewRelay(t, sshtest.Echo(t).Addr)
	conn := dial(t, r.Addr)
	ping(t, conn)
	r.Refuse(true)
	if answers(r.Addr)() {
		t.Error("it answers while it refuses")
	}
	ping(t, conn)
	r.Refuse(false)
	ping(t, dial(t, r.Addr))
}

func TestRelayDelay(t *testing.T) {
	sshtest.Leaks(t)
	const delay = 50 * time.Millisecond
	r := sshtest.NewRelay(t, sshtest.Echo(t).Addr)
	r.Delay(delay)
	conn := dial(t, r.Addr)
	start := time.Now()
	ping(t, conn)
	if took := time.Since(start); took < 2*delay {
		t.Errorf("a round trip took %v", took)
	}
	// Many small writes are all under way at once, and keep their order.
	want := make([]byte, 200)
	for i := range want {
		want[i] = byte(i)
		if _, err := conn.Write(want[i : i+1]); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v, in order %v", err, bytes.Equal(got, want))
	}
	if took := time.Since(start); took > 200*delay {
		t.Errorf("200 bytes took %v: one after the other", took)
	}
}

func TestRelayCutAfter(t *testing.T) {
	sshtest.Leaks(t)
	r := sshtest.NewRelay(t, sshtest.Echo(t).Addr)
	conn := dial(t, r.Addr)
	ping(t, conn)
	r.CutAfter(1000)
	if _, err := conn.Write(make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err == nil || len(got) > 1000 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if up, down := r.Bytes(); up+down != 1002 {
		t.Errorf("%d bytes up and %d down, with those of the ping", up, down)
	}
	conn = dial(t, r.Addr)
	for range 2000 {
		ping(t, conn)
	}
}

func TestScripts(t *testing.T) {
	sshtest.Leaks(t)
	conn := dial(t, sshtest.Script(t, sshtest.Slam).Addr)
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("Slam said something")
	}
	conn = dial(t, sshtest.Script(t, sshtest.Saying("HTTP/1.1 400 Bad Request\r\n\r\n")).Addr)
	if _, err := io.ReadFull(conn, make([]byte, 28)); err != nil {
		t.Error(err)
	}
	b := sshtest.Script(t, sshtest.Silent)
	conn = dial(t, b.Addr)
	conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Silent: %v", err)
	}
	if peers := b.Peers(); len(peers) != 1 || peers[0] != conn.LocalAddr().String() {
		t.Errorf("peers %v, the client is %v", peers, conn.LocalAddr())
	}
}

// However it is read, a pattern is the same bytes.
func TestPatternDoesNotDependOnReads(t *testing.T) {
	want, err := io.ReadAll(sshtest.Pattern(1001))
	if err != nil || len(want) != 1001 {
		t.Fatal(len(want), err)
	}
	for size := 1; size < 20; size++ {
		var got []byte
		p, buf := sshtest.Pattern(1001), make([]byte, size)
		for {
			n, err := p.Read(buf)
			got = append(got, buf[:n]...)
			if err != nil {
				break
			}
		}
		if !bytes.Equal(got, want) {
			t.Errorf("in reads of %d: other bytes", size)
		}
	}
}
