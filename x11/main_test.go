package x11

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tunneld/fault"
	"tunneld/forward"
	"tunneld/internal/sshtest"
)

// patience is how long a condition may take on a machine with other work.
const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantCode(t testing.TB, err error, code fault.Code) {
	t.Helper()
	if fault.CodeOf(err) != code {
		t.Errorf("error %v, want code %s", err, code)
	}
}

// displayAt is the display of a real server, which this process may use.
func displayAt(t testing.TB, x *sshtest.Xvfb) Display {
	t.Helper()
	return must[Display](t)(ParseDisplay(x.Display))
}

// authOf is what the server's owner would show it.
func authOf(t testing.TB, x *sshtest.Xvfb) Auth {
	t.Helper()
	return must[Auth](t)(LoadAuth(t.Context(), x.Authority, displayAt(t, x)))
}

// fixed is a Grant's Auth that never changes.
func fixed(auth Auth) func(context.Context) (Auth, error) {
	return func(context.Context) (Auth, error) { return auth, nil }
}

// desk is a running Forwarder whose programs come over TCP, as they do to sshd.
type desk struct {
	*Forwarder
	display Display // for programs
	refused chan error
	end     func() // of Serve, awaited
}

// newDesk starts f, in which Listen, Splice and Refused are filled in.
func newDesk(t testing.TB, f *Forwarder) *desk {
	t.Helper()
	listener, number := listenX(t)
	d := &desk{Forwarder: f, display: Display{Host: "localhost", Number: number}, refused: make(chan error, 1000)}
	first := make(chan net.Listener, 1)
	first <- listener
	f.Listen = func(ctx context.Context) (net.Listener, error) {
		select {
		case l := <-first:
			return l, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	f.Splice = forward.Splice
	f.Refused = func(err error) { d.refused <- err }
	d.end = serve(t, f.Serve)
	return d
}

// serve runs what lives until the test or a call of end, which waits for it.
func serve(t testing.TB, live func(context.Context) error) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var over sync.WaitGroup
	over.Go(func() {
		if err := live(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Serve: %v, want the context's error", err)
		}
	})
	end = func() { cancel(); over.Wait() }
	t.Cleanup(end)
	return end
}

// listenX listens at a display number that is free.
func listenX(t testing.TB) (net.Listener, int) {
	t.Helper()
	for number := 200; number < 1000; number++ {
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+number)))
		if err == nil {
			t.Cleanup(func() { listener.Close() })
			return listener, number
		}
	}
	t.Fatal("no display number is free")
	return nil, 0
}

// allow lets the programs of a new session in.
func (d *desk) allow(g *Grant) *Grant {
	if g.Refused == nil {
		g.Refused = func(err error) { d.refused <- err }
	}
	d.Allow(g)
	return g
}

// authority is a file with the cookie that g's programs show.
func (d *desk) authority(t testing.TB, g *Grant) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "Xauthority")
	sshtest.AddXCookie(t, path, d.display.String(), g.Cookie.Hex())
	return path
}

// connect is a program that sends packet.
func (d *desk) connect(t testing.TB, packet []byte) net.Conn {
	t.Helper()
	conn := must[net.Conn](t)(d.display.Dial(t.Context()))
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	must[int](t)(conn.Write(packet))
	return conn
}

// wantRefused waits for a refusal with code.
func (d *desk) wantRefused(t testing.TB, code fault.Code) {
	t.Helper()
	select {
	case err := <-d.refused:
		wantCode(t, err, code)
	case <-time.After(patience):
		t.Fatalf("nothing was refused, want %s", code)
	}
}

// fakeDisplay hands each connection to answer, which need not close it.
func fakeDisplay(t testing.TB, answer func(net.Conn)) Display {
	t.Helper()
	sshtest.NeedUnix(t, "a display of its own")
	path := filepath.Join(t.TempDir(), "x:0")
	listener := must[net.Listener](t)(net.Listen("unix", path))
	var over sync.WaitGroup
	over.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(t.Context(), func() { conn.Close() }) // whatever waits for it
			over.Go(func() { defer conn.Close(); answer(conn) })
		}
	})
	t.Cleanup(func() { listener.Close(); over.Wait() })
	return Display{Socket: path}
}

// silent is a display that never answers.
func silent(conn net.Conn) { io.Copy(io.Discard, conn) }
