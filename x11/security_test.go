package x11

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// authorize makes an authorization on a real server, and serves it until the
// test or end.
func authorize(t testing.TB, x *sshtest.Xvfb) (a *Authorization, end func()) {
	t.Helper()
	a = must[*Authorization](t)(Authorize(t.Context(), displayAt(t, x), authOf(t, x), 0))
	return a, serve(t, a.Serve)
}

// restricted is an authority file of programs that show a's cookie.
func restricted(t testing.TB, x *sshtest.Xvfb, a *Authorization) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "Xauthority")
	auth := must[Auth](t)(a.Auth(t.Context()))
	sshtest.AddXCookie(t, path, x.Display, auth.Data.Hex())
	return path
}

// An authorized program sees its own windows and no more: few extensions, and
// no window of others.
func TestAuthorizeRestricts(t *testing.T) {
	x := sshtest.StartXvfb(t)
	secret := startWindow(t, x.Command("xlogo", "-title", "secret"), x, "secret")
	a, _ := authorize(t, x)
	file := restricted(t, x, a)

	out, err := sshtest.XCommand(x.Display, file, "xdpyinfo").CombinedOutput()
	_, list, _ := strings.Cut(string(out), "number of extensions:")
	if err != nil || extensions(list) != 2 || strings.Contains(list, "SECURITY") || strings.Contains(list, "XTEST") {
		t.Errorf("%d extensions: %v: %s", extensions(list), err, out)
	}
	_, all, _ := strings.Cut(x.Run("xdpyinfo"), "number of extensions:")
	if extensions(all) < 15 || !strings.Contains(all, "SECURITY") {
		t.Errorf("a trusted program sees %d extensions: %s", extensions(all), all)
	}
	for _, spy := range []string{"xwd -root", "xwd -id " + secret, "xprop -f WM_NAME 8s -set WM_NAME stolen -id " + secret} {
		words := strings.Fields(spy)
		out, err := sshtest.XCommand(x.Display, file, words[0], words[1:]...).CombinedOutput()
		if err == nil && !strings.Contains(string(out), "X Error") {
			t.Errorf("%s works: %.200q", spy, out)
		}
		if windowOf(x, "secret") != secret {
			t.Errorf("%s changed the window of another program", spy)
		}
		x.Run(words[0], words[1:]...) // its owner may
		x.Run("xprop", "-f", "WM_NAME", "8s", "-set", "WM_NAME", "secret", "-id", secret)
	}
	startWindow(t, sshtest.XCommand(x.Display, file, "xeyes", "-title", "harmless"), x, "harmless")
}

// extensions is the number that xdpyinfo says before its list.
func extensions(list string) (n int) {
	fmt.Sscan(list, &n)
	return n
}

// startWindow runs a program until the test ends, and returns the identity of
// its window once it is there.
func startWindow(t testing.TB, cmd *exec.Cmd, x *sshtest.Xvfb, title string) string {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: run: make deps", err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	var id string
	sshtest.Eventually(t, patience, "a window called "+title, func() bool {
		id = windowOf(x, title)
		return id != ""
	})
	return id
}

// windowOf returns the identity of the window with that title, or "".
func windowOf(x *sshtest.Xvfb, title string) string {
	out, _ := x.Command("xwininfo", "-root", "-tree").Output()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, `"`+title+`"`) {
			return strings.Fields(line)[0]
		}
	}
	return ""
}

// On the way out the authorization is revoked: its programs end, and nobody
// comes in with it again.
func TestAuthorizationEnd(t *testing.T) {
	sshtest.Leaks(t)
	x := sshtest.StartXvfb(t)
	a, end := authorize(t, x)
	file := restricted(t, x, a)
	auth := must[Auth](t)(a.Auth(t.Context()))
	startWindow(t, sshtest.XCommand(x.Display, file, "xlogo", "-title", "brief"), x, "brief")
	end()
	sshtest.Eventually(t, patience, "the window is gone", func() bool { return windowOf(x, "brief") == "" })
	_, err := Probe(t.Context(), displayAt(t, x), auth)
	wantCode(t, err, fault.X11DisplayRefused)
	if _, err := a.Auth(t.Context()); err == nil {
		t.Error("it is still handed out")
	}
}

// An authorization that the display withdraws, here after its time without a
// program, is of no use from then on.
func TestAuthorizationWithdrawn(t *testing.T) {
	x := sshtest.StartXvfb(t)
	a := must[*Authorization](t)(Authorize(t.Context(), displayAt(t, x), authOf(t, x), time.Nanosecond))
	err := a.Serve(t.Context())
	wantCode(t, err, fault.X11Expired)
	_, again := a.Auth(t.Context())
	wantCode(t, again, fault.X11Expired)
}

// When the display ends, so does the authorization, and a new one works on the
// next.
func TestAuthorizationOutlivedByDisplay(t *testing.T) {
	sshtest.Leaks(t)
	x := sshtest.StartXvfb(t)
	a := must[*Authorization](t)(Authorize(t.Context(), displayAt(t, x), authOf(t, x), 0))
	over := make(chan error, 1)
	go func() { over <- a.Serve(t.Context()) }()
	x.Stop()
	wantCode(t, <-over, fault.X11DisplayRefused)
	_, err := a.Auth(t.Context())
	wantCode(t, err, fault.X11DisplayRefused)
	x.Start()
	authorize(t, x)
}

// A display that forgets all when its last program leaves does not forget the
// authorization: the holder is one.
func TestAuthorizationIsHeld(t *testing.T) {
	x := sshtest.StartXvfb(t, "-reset")
	a, _ := authorize(t, x)
	file := restricted(t, x, a)
	for range 3 {
		if out, err := sshtest.XCommand(x.Display, file, "xdpyinfo").CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// A display that lets us in whatever we show would not restrict: it says so,
// with the line that mends it, and after that line it works.
func TestAuthorizeOpenDisplay(t *testing.T) {
	x := sshtest.StartXvfb(t)
	d, auth := displayAt(t, x), authOf(t, x)
	me := me()[0]
	for _, open := range []struct{ with, mend string }{
		{"+si:localuser:" + me, "xhost -si:localuser:" + me},
		{"+local:", "xhost -local:"},
		{"+", "xhost -"},
	} {
		x.Run("xhost", open.with)
		_, err := Authorize(t.Context(), d, auth, 0)
		wantCode(t, err, fault.X11SecurityOpen)
		hint := fault.HintOf(err)
		if !strings.HasSuffix(hint, "run DISPLAY="+x.Display+" "+open.mend) || !strings.Contains(hint, "-Y") || !strings.Contains(hint, "trusted = true") {
			t.Errorf("%s: hint %q", open.with, hint)
		}
		x.Run("xhost", strings.Fields(open.mend)[1:]...)
		a, end := authorize(t, x)
		must[Auth](t)(a.Auth(t.Context()))
		end()
	}
}

func TestAuthorizeWithoutCookies(t *testing.T) {
	x := sshtest.StartOpenXvfb(t)
	_, err := Authorize(t.Context(), displayAt(t, x), Auth{}, 0)
	wantCode(t, err, fault.X11SecurityOpen)
	if hint := fault.HintOf(err); !strings.HasSuffix(hint, "start the display with -auth FILE") {
		t.Errorf("hint %q", hint)
	}
}

func TestAuthorizeWithoutExtension(t *testing.T) {
	x := sshtest.StartXvfb(t, "-extension", "SECURITY")
	_, err := Authorize(t.Context(), displayAt(t, x), authOf(t, x), 0)
	wantCode(t, err, fault.X11NoSecurityExtension)
	if hint := fault.HintOf(err); !strings.Contains(hint, "trusted") {
		t.Errorf("hint %q", hint)
	}
}

func TestAuthorizeRefused(t *testing.T) {
	x := sshtest.StartXvfb(t)
	_, err := Authorize(t.Context(), displayAt(t, x), magic(NewCookie()), 0)
	wantCode(t, err, fault.X11DisplayRefused)
	_, err = Authorize(t.Context(), displayAt(t, x), Auth{}, 0)
	wantCode(t, err, fault.X11DisplayRefused)
}

func TestProbe(t *testing.T) {
	x := sshtest.StartXvfb(t, "-screen", "1", "320x200x24")
	info, err := Probe(t.Context(), displayAt(t, x), authOf(t, x))
	if err != nil || !strings.Contains(info.Vendor, "X.Org") || info.Release < 10000000 || info.Screens != 2 || !info.Security || info.Open {
		t.Errorf("%+v, %v", info, err)
	}
	a, _ := authorize(t, x)
	info, err = Probe(t.Context(), displayAt(t, x), must[Auth](t)(a.Auth(t.Context())))
	if err != nil || info.Security {
		t.Errorf("a restricted program: %+v, %v", info, err)
	}
	open := sshtest.StartOpenXvfb(t)
	if info, err = Probe(t.Context(), displayAt(t, open), Auth{}); err != nil || !info.Open {
		t.Errorf("an open display: %+v, %v", info, err)
	}
}

// A display that was stopped takes connections and answers nothing. Nobody
// waits for it longer than they want to.
func TestPausedDisplay(t *testing.T) {
	sshtest.Leaks(t)
	x := sshtest.StartXvfb(t)
	d, auth := displayAt(t, x), authOf(t, x)
	a := must[*Authorization](t)(Authorize(t.Context(), d, auth, 0))
	x.Pause()
	for name, call := range map[string]func(context.Context) error{
		"probe":     func(ctx context.Context) error { _, err := Probe(ctx, d, auth); return err },
		"authorize": func(ctx context.Context) error { _, err := Authorize(ctx, d, auth, 0); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := call(ctx)
		cancel()
		wantCode(t, err, fault.X11DisplayRefused)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := a.Serve(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Serve: %v", err)
	}
	x.Resume()
	must[Info](t)(Probe(t.Context(), d, auth))
}

// queryKeymap is an opcode of the core protocol, fakeInput one of XTEST.
const (
	queryKeymap = 44
	fakeInput   = 2
)

// A restricted program does not see which keys are down, as a trusted one does.
func TestAuthorizeHidesKeys(t *testing.T) {
	const keyA = 38
	x := sshtest.StartXvfb(t)
	d := displayAt(t, x)
	a, _ := authorize(t, x)
	trusted := must[*client](t)(dialClient(t.Context(), d, authOf(t, x)))
	defer trusted.close()
	spy := must[*client](t)(dialClient(t.Context(), d, must[Auth](t)(a.Auth(t.Context()))))
	defer spy.close()
	xtest := must[extension](t)(trusted.extension(t.Context(), "XTEST"))
	press := make([]byte, 36)
	press[0], press[1], press[4], press[5] = xtest.opcode, fakeInput, 2, keyA // 2 is KeyPress
	if err := trusted.send(t.Context(), press); err != nil {
		t.Fatal(err)
	}
	isDown := func(c *client) bool {
		keys := must[[]byte](t)(c.call(t.Context(), []byte{0: queryKeymap, 3: 0}))
		return keys[8+keyA/8]&(1<<(keyA%8)) != 0
	}
	sshtest.Eventually(t, patience, "a trusted program sees the key", func() bool { return isDown(trusted) })
	if isDown(spy) {
		t.Error("a restricted program sees the key")
	}
}
