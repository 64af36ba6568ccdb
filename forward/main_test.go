package forward_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"tunneld/forward"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// eventually waits until cond holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

// receive waits for a value from c.
func receive[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("never: " + what)
		panic("unreachable")
	}
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// loopback is a TCP listener that ends with the test.
func loopback(t testing.TB) net.Listener {
	t.Helper()
	ln := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	t.Cleanup(func() { ln.Close() })
	return ln
}

// tcpPair is the two ends of a TCP connection.
func tcpPair(t testing.TB) (near, far *net.TCPConn) {
	t.Helper()
	ln := loopback(t)
	defer ln.Close()
	c := must[net.Conn](t)(net.Dial("tcp", ln.Addr().String()))
	s := must[net.Conn](t)(ln.Accept())
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// spliced is client and server with a running Splice between them.
type spliced struct {
	client, server *net.TCPConn
	done           chan outcome
}

type outcome struct {
	ab, ba int64
	err    error
}

func spliceTCP(t testing.TB, ctx context.Context) spliced {
	client, a := tcpPair(t)
	b, server := tcpPair(t)
	return spliced{client, server, runSplice(ctx, a, b)}
}

func runSplice(ctx context.Context, a, b net.Conn) chan outcome {
	done := make(chan outcome, 1)
	go func() {
		ab, ba, err := forward.Splice(ctx, a, b)
		done <- outcome{ab, ba, err}
	}()
	return done
}

// wantReset checks that c's peer reset it.
func wantReset(t testing.TB, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, err := io.Copy(io.Discard, c)
	if err == nil || errors.Is(err, syscall.ETIMEDOUT) || runtime.GOOS != "windows" && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v, want a reset", err)
	}
}

// echoServer answers every connection with what it sends, and its end with an end.
func echoServer(t testing.TB) net.Addr {
	ln := loopback(t)
	serveEcho(t, ln)
	return ln.Addr()
}

// serveEcho is echoServer on ln.
func serveEcho(t testing.TB, ln net.Listener) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { io.Copy(c, c); c.Close() })
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
}

// roundTrip sends text over c and wants it back.
func roundTrip(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, []byte(text)) {
		t.Fatalf("got %q, %v; want %q", got, err, text)
	}
}

// clock is a clock that stands still until a timer is fired by hand.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	timers []timer
}

type timer struct {
	d time.Duration
	c chan time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	tm := timer{d, make(chan time.Time, 1)}
	c.timers = append(c.timers, tm)
	return tm.c
}

// fire waits for a timer of d that was set, and lets the newest one go off.
func (c *clock) fire(t testing.TB, d time.Duration) {
	t.Helper()
	eventually(t, "a timer of "+d.String(), func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for i := len(c.timers) - 1; i >= 0; i-- {
			if tm := c.timers[i]; tm.d == d {
				c.timers = c.timers[i+1:] // nobody waits for older ones
				c.now = c.now.Add(d)
				tm.c <- c.now
				return true
			}
		}
		return false
	})
}
