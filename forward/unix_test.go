package forward_test

import (
	"context"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"tunneld/fault"
	"tunneld/forward"
)

func socketPath(t *testing.T) string { return filepath.Join(t.TempDir(), "s") }

func TestUnixForward(t *testing.T) {
	listen, target := socketPath(t), socketPath(t)
	server := must[net.Listener](t)(forward.ListenUnix(t.Context(), target, 0o600))
	serveEcho(t, server)
	f := &forward.Forward{
		Listen: func(ctx context.Context) (net.Listener, error) { return forward.ListenUnix(ctx, listen, 0o600) },
		Dial:   func(ctx context.Context, _ net.Addr) (net.Conn, error) { return forward.DialUnix(ctx, target) },
	}
	serveForward(t, f)
	c := must[net.Conn](t)(net.Dial("unix", listen))
	roundTrip(t, c, "hello")
	if got := f.Status().Bound[0].String(); got != listen {
		t.Errorf("bound %s", got)
	}
	c.Close()
}

func TestSocketMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("sockets have no mode there")
	}
	for _, mode := range []fs.FileMode{0o600, 0o660, 0o666} {
		path := socketPath(t)
		ln := must[net.Listener](t)(forward.ListenUnix(t.Context(), path, mode))
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("mode %v, want %v; %v", info.Mode(), mode, err)
		}
		ln.Close()
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("after Close: %v", err)
		}
	}
}

func TestStaleSocket(t *testing.T) {
	path := socketPath(t)
	left := must[net.Listener](t)(net.Listen("unix", path))
	_, err := forward.ListenUnix(t.Context(), path, 0o600)
	if fault.CodeOf(err) != fault.ListenInUse || !strings.Contains(fault.HintOf(err), path) {
		t.Errorf("while somebody answers: %v", err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	left.Close()
	ln := must[net.Listener](t)(forward.ListenUnix(t.Context(), path, 0o600))
	ln.Close()
}

func TestBadSocketPaths(t *testing.T) {
	file := socketPath(t)
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fault.Code{
		file:                                 fault.ListenInUse,
		filepath.Join(file+"-none", "s"):     fault.ListenDenied,
		"/tmp/" + strings.Repeat("long", 40): fault.ListenDenied,
	} {
		_, err := forward.ListenUnix(t.Context(), path, 0o600)
		if fault.CodeOf(err) != want || fault.As(err).Hint == "" {
			t.Errorf("%s: %v, hint %q", path, err, fault.HintOf(err))
		}
		if _, err := forward.DialUnix(t.Context(), path); fault.CodeOf(err) != fault.TargetRefused {
			t.Errorf("dial %s: %v", path, err)
		}
	}
	for _, path := range []string{file, filepath.Dir(file)} {
		if _, err := forward.ListenUnix(t.Context(), path, 0o600); !strings.Contains(fault.HintOf(err), "no socket") {
			t.Errorf("%s: hint %q", path, fault.HintOf(err))
		}
	}
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Error("a file was removed that is no socket")
	}
}

func TestPipesElsewhere(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("they work there")
	}
	if _, err := forward.ListenPipe("p"); fault.CodeOf(err) != fault.ListenDenied || !strings.Contains(err.Error(), "Windows") {
		t.Error(err)
	}
	if _, err := forward.DialPipe(t.Context(), "p"); fault.CodeOf(err) != fault.TargetRefused {
		t.Error(err)
	}
}
