package x11

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// xauth runs the real one by the command that a server's shell gets.
func xauth(t *testing.T, authority, input string) string {
	t.Helper()
	sshtest.NeedUnix(t, "xauth")
	cmd := exec.Command("sh", "-c", XauthCommand)
	cmd.Env = append(cmd.Environ(), "XAUTHORITY="+authority)
	cmd.Stdin = strings.NewReader(input)
	return string(must[[]byte](t)(cmd.Output()))
}

// The entry is what the programs of an account find, by every name of the
// display; a second one takes the place of the first.
func TestXauthEntryIsFound(t *testing.T) {
	x, authority := sshtest.StartXvfb(t), filepath.Join(t.TempDir(), "Xauthority")
	d := newDesk(t, &Forwarder{})
	g := d.allow(&Grant{Display: displayAt(t, x), Auth: fixed(authOf(t, x)), Trusted: true})
	for _, c := range []Cookie{NewCookie(), g.Cookie} {
		listed := xauth(t, authority, XauthAdd(d.display.Number, c))
		if got := XauthListed(listed, d.display.Number); len(got) != 1 || !got[0].Equal(c) {
			t.Errorf("listed %q", listed)
		}
	}
	for _, form := range []string{"localhost:%d", "localhost:%d.0", "127.0.0.1:%d"} {
		name := fmt.Sprintf(form, d.display.Number)
		if out, err := sshtest.XCommand(name, authority, "xdpyinfo").CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s", name, err, out)
		}
	}
	xauth(t, authority, XauthRemove(d.display.Number))
	if left := xauth(t, authority, "list\n"); left != "" {
		t.Errorf("left %q", left)
	}
	out, err := sshtest.XCommand(fmt.Sprintf("localhost:%d", d.display.Number), authority, "xdpyinfo").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "x11_bad_cookie") {
		t.Errorf("without the entry: %v %s", err, out)
	}
}

// Of what a server says, only entries of the display count: not what echoes the
// input, nor what a shell says first.
func TestXauthListed(t *testing.T) {
	authority, c := filepath.Join(t.TempDir(), "Xauthority"), NewCookie()
	xauth(t, authority, XauthAdd(7, NewCookie())+"add unix:7 XDM-AUTHORIZATION-1 00\nadd unix:77 . 00\n")
	listed := XauthListed("Welcome\n"+xauth(t, authority, XauthAdd(7, c)), 7)
	if len(listed) != 2 || !listed[0].Equal(c) || !listed[1].IsZero() {
		t.Errorf("%d listed", len(listed))
	}
	for _, said := range []string{"", XauthAdd(7, c), "unix:7 " + magicCookie + " " + c.Hex(), xauth(t, authority, XauthList(77))} {
		if got := XauthListed(said, 7); got != nil {
			t.Errorf("%q: %d listed", said, len(got))
		}
	}
}

// The same secret has the same cookie for a place, and no other has it.
func TestCookieFor(t *testing.T) {
	secret := []byte("0123456789abcdef")
	c := CookieFor(secret, "a")
	if !c.Equal(CookieFor(secret, "a")) || len(c.Hex()) != 32 {
		t.Error("it differs from itself")
	}
	if c.Equal(CookieFor(secret, "b")) || c.Equal(CookieFor([]byte("another"), "a")) {
		t.Error("others have it, too")
	}
}

// A grant that has another for each window shows what that has, and is to blame
// itself where there is none.
func TestForwarderCurrent(t *testing.T) {
	d := newDesk(t, &Forwarder{})
	other := &Grant{Display: fakeDisplay(t, echoDisplay), Auth: fixed(realAuth)}
	current := other
	blamed := make(chan error, 1)
	g := d.allow(&Grant{
		Current: func(context.Context) (*Grant, error) {
			if current == nil {
				return nil, fault.New(fault.X11NoDisplay, fault.X11, "none now")
			}
			return current, nil
		},
		Refused: func(err error) { blamed <- err },
	})
	packet := packetOf('B', magicCookie, g.Cookie.bytes())
	conn := d.connect(t, packet)
	must[int](t)(conn.Read(make([]byte, 8)))
	sshtest.Eventually(t, patience, "the window is the other's", func() bool { return other.Windows() == 1 && g.Windows() == 0 })
	current = nil
	if reason := readRefusal(t, 'B', d.connect(t, packet)); !strings.Contains(reason, "x11_no_display: none now") {
		t.Errorf("told %q", reason)
	}
	wantCode(t, <-blamed, fault.X11NoDisplay)
}
