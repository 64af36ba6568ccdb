package link_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/fault"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

func TestDialUnix(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	l, _ := serve(t, sshdTarget(t, d))
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if c, err := ln.Accept(); err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()
	c, err := l.DialUnix(t.Context(), path, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	echo(t, c, "hello")
	c.(interface{ CloseWrite() error }).CloseWrite()
	if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
		t.Errorf("after half-close: %q, %v", rest, err)
	}
	if _, err := l.DialUnix(t.Context(), path+"-none", patience); fault.CodeOf(err) != fault.TargetRefused {
		t.Errorf("nobody there: %v", err)
	}
}

func TestListenUnix(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t, "StreamLocalBindUnlink yes")
	l, _ := serve(t, sshdTarget(t, d))
	path := filepath.Join(t.TempDir(), "s")
	for range 2 { // the second time over the file of the first
		ln, err := l.ListenUnix(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if got := ln.Addr(); got.Network() != "unix" || got.String() != path {
			t.Errorf("address %v", got)
		}
		go func() {
			if c, err := net.Dial("unix", path); err == nil {
				io.WriteString(c, "hi")
				c.Close()
			}
		}()
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); string(got) != "hi" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		c.Close()
		d.KillConnections()
		if _, err := ln.Accept(); fault.CodeOf(err) != fault.ClosedByServer {
			t.Errorf("accept on a dead connection: %v", err)
		}
	}
}

// Without StreamLocalBindUnlink the file of the connection before is in the
// way, and the hint says so; when it goes, all is well.
func TestSocketLeftBehind(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	l, _ := serve(t, sshdTarget(t, d))
	path := filepath.Join(t.TempDir(), "s")
	if _, err := l.ListenUnix(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	d.KillConnections()
	sshtest.Eventually(t, patience, "a new connection", func() bool { return l.Status().Reconnects > 0 })
	_, err := l.ListenUnix(t.Context(), path)
	if fault.CodeOf(err) != fault.RemotePortBusy || !strings.Contains(fault.HintOf(err), "StreamLocalBindUnlink") {
		t.Errorf("%v, hint %q", err, fault.HintOf(err))
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	ln, err := l.ListenUnix(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	// A socket that is closed is no more.
	sshtest.Eventually(t, patience, "nobody answers", func() bool {
		c, err := net.Dial("unix", path)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

func TestDeniedSockets(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t, "AllowStreamLocalForwarding no")
	l, _ := serve(t, sshdTarget(t, d))
	path := filepath.Join(t.TempDir(), "s")
	for what, err := range map[fault.Code]error{
		fault.RemoteForwardDenied: second(l.ListenUnix(t.Context(), path)),
		fault.TargetRefused:       second(l.DialUnix(t.Context(), path, patience)),
	} {
		if fault.CodeOf(err) != what || !strings.Contains(fault.HintOf(err), "AllowStreamLocalForwarding") {
			t.Errorf("%v, hint %q", err, fault.HintOf(err))
		}
	}
}

func second[T any](_ T, err error) error { return err }

// Two listeners on one connection each get their own.
func TestTwoSockets(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	l, _ := serve(t, sshdTarget(t, d))
	dir := t.TempDir()
	listeners := map[string]net.Listener{}
	for _, name := range []string{"one", "two"} {
		ln, err := l.ListenUnix(t.Context(), filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		listeners[name] = ln
	}
	for name, ln := range listeners {
		c, err := net.Dial("unix", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, name)
		c.Close()
		got, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(got); string(text) != name {
			t.Errorf("%s got %q", name, text)
		}
		got.Close()
	}
}

func TestTraceOfASocket(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	failures, err := link.New(sshdTarget(t, d)).Trace(ctx, link.Trial{Path: "/nobody/listens/here"})
	err = errors.Join(append(failures, err)...)
	if fault.CodeOf(err) != fault.TargetRefused {
		t.Error(err)
	}
}
