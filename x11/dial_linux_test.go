package x11

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"tunneld/fault"
	"tunneld/internal/sshtest"
)

func TestMayServe(t *testing.T) {
	for _, c := range []struct {
		uid, self, owner int
		want             bool
	}{
		{0, 1000, 0, true}, {1000, 1000, 0, true}, {1001, 1000, 1001, true},
		{1001, 1000, 0, false}, {1001, 1000, 1002, false}, {1000, 0, 0, false},
	} {
		if got := (Display{Owner: c.owner}).mayServe(c.uid, c.self); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// abstractNumber is a display number whose abstract name is free and taken here.
func abstractNumber(t testing.TB) (net.Listener, Display) {
	t.Helper()
	for number := 1000; number < 2000; number++ {
		d := Display{Number: number}
		if listener, err := net.Listen("unix", "@"+d.path()); err == nil {
			t.Cleanup(func() { listener.Close() })
			return listener, d
		}
	}
	t.Fatal("no display number is free")
	return nil, Display{}
}

// Where the socket is not in the file system its abstract name will do.
func TestDialAbstract(t *testing.T) {
	listener, d := abstractNumber(t)
	conn := must[net.Conn](t)(d.Dial(t.Context()))
	conn.Close()
	listener.Close()
	_, err := d.Dial(t.Context())
	wantCode(t, err, fault.X11DisplayRefused)
	if !errors.Is(err, syscall.ENOENT) {
		t.Errorf("%v, want the error of the path", err)
	}
}

// A server of another account is refused before it sees a cookie, unless the
// display is known to be that account's.
func TestDialForeign(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can start a server of another account; TestMayServe has the rule")
	}
	const nobody = 65534
	listener, d := abstractNumber(t)
	listener.Close()
	foreign := exec.Command("nc.openbsd", "-l", "-k", "-U", "@"+d.path())
	foreign.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Pdeathsig: syscall.SIGKILL}
	foreign.Stdin = must[*os.File](t)(os.Open(os.DevNull))
	if err := foreign.Start(); err != nil {
		t.Fatalf("%v: run: make deps", err)
	}
	defer func() { foreign.Process.Kill(); foreign.Wait() }()
	trusting := d
	trusting.Owner = nobody
	sshtest.Eventually(t, patience, "its owner may serve it", func() bool {
		conn, err := trusting.Dial(t.Context())
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	_, err := d.Dial(t.Context())
	wantCode(t, err, fault.X11DisplayRefused)
	if !errors.Is(err, errForeign) {
		t.Errorf("%v, want that %v", err, errForeign)
	}
}

// A port where nobody listens.
func TestDialRefused(t *testing.T) {
	listener, number := listenX(t)
	listener.Close()
	_, err := Display{Host: "127.0.0.1", Number: number}.Dial(t.Context())
	wantCode(t, err, fault.X11DisplayRefused)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
}

// A socket in a folder of its own, as launchd makes one, is a display too.
func TestDialSocketPath(t *testing.T) {
	x := sshtest.StartXvfb(t)
	link := filepath.Join(t.TempDir(), "org.xquartz:0")
	if err := os.Symlink(displayAt(t, x).path(), link); err != nil {
		t.Fatal(err)
	}
	must[Info](t)(Probe(t.Context(), must[Display](t)(ParseDisplay(link)), authOf(t, x)))
}
