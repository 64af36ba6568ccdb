package x11

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// onDisplay is a trusted grant for the display of a real server, whose file is
// read for every window.
func onDisplay(t testing.TB, x *sshtest.Xvfb) *Grant {
	d := displayAt(t, x)
	load := func(ctx context.Context) (Auth, error) { return LoadAuth(ctx, x.Authority, d) }
	return &Grant{Display: d, Auth: load, Trusted: true}
}

// command is a remote program of g's session.
func (d *desk) command(t testing.TB, g *Grant, name string, args ...string) *exec.Cmd {
	return sshtest.XCommand(d.display.String(), d.authority(t, g), name, args...)
}

// Real programs show their windows with a fake cookie, and what they show is
// what they show without a forwarder.
func TestPrograms(t *testing.T) {
	sshtest.Leaks(t)
	x := sshtest.StartXvfb(t)
	d := newDesk(t, &Forwarder{})
	g := d.allow(onDisplay(t, x))
	for _, words := range [][]string{
		{"xterm", "-title", "xterm", "-e", "cat"}, {"xclock", "-title", "xclock"}, {"xeyes", "-title", "xeyes"},
	} {
		startWindow(t, d.command(t, g, words[0], words[1:]...), x, words[0])
	}
	if g.Windows() < 3 {
		t.Errorf("%d windows, want 3", g.Windows())
	}
	out := string(must[[]byte](t)(d.command(t, g, "xdpyinfo").CombinedOutput()))
	direct := x.Run("xdpyinfo")
	if named := strings.Replace(out, d.display.String(), x.Display, 1); withoutIDs(named) != withoutIDs(direct) {
		t.Errorf("through the forwarder %s, want %s", out, direct)
	}
	d.end()
	for _, name := range []string{"xterm", "xclock", "xeyes"} {
		sshtest.Eventually(t, patience, name+" is gone", func() bool { return windowOf(x, name) == "" })
	}
}

// withoutIDs leaves out of xdpyinfo's words what differs between two calls.
func withoutIDs(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "focus") && !strings.Contains(line, "resource") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// A screenshot through the forwarder is the one made without, byte for byte.
func TestScreenshot(t *testing.T) {
	x := sshtest.StartXvfb(t)
	d := newDesk(t, &Forwarder{})
	g := d.allow(onDisplay(t, x))
	id := startWindow(t, d.command(t, g, "xlogo", "-title", "logo"), x, "logo")
	sshtest.Eventually(t, patience, "both screenshots are equal, and of more than one colour", func() bool {
		far := string(must[[]byte](t)(d.command(t, g, "xwd", "-id", id).Output()))
		near := string(must[[]byte](t)(x.Command("xwd", "-id", id).Output()))
		picture := near[max(0, len(near)-100*100*4):]
		return far == near && strings.Count(picture, picture[:4]) < len(picture)/4
	})
}

// A restricted session's programs work, and cannot read the screen.
func TestProgramsUntrusted(t *testing.T) {
	x := sshtest.StartXvfb(t)
	a, _ := authorize(t, x)
	d := newDesk(t, &Forwarder{})
	g := d.allow(&Grant{Display: displayAt(t, x), Auth: a.Auth})
	startWindow(t, d.command(t, g, "xclock", "-title", "clock"), x, "clock")
	out, err := d.command(t, g, "xwd", "-root").CombinedOutput()
	if err == nil && !strings.Contains(string(out), "X Error") {
		t.Errorf("the root window is read: %d bytes", len(out))
	}
	out, err = d.command(t, g, "xdpyinfo").CombinedOutput()
	if err != nil || strings.Contains(string(out), "SECURITY") {
		t.Errorf("%v: %s", err, out)
	}
}

// A program that is refused prints why.
func TestProgramIsTold(t *testing.T) {
	x := sshtest.StartXvfb(t)
	d := newDesk(t, &Forwarder{})
	g := d.allow(onDisplay(t, x))
	strange := &Grant{Cookie: NewCookie()}
	for name, c := range map[string]struct {
		before func()
		shows  *Grant
		code   fault.Code
	}{
		"a cookie of no session": {func() {}, strange, fault.X11BadCookie},
		"no display":             {x.Stop, g, fault.X11DisplayRefused},
	} {
		cmd := d.command(t, c.shows, "xdpyinfo")
		c.before()
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "tunneld: "+string(c.code)) {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		d.wantRefused(t, c.code)
	}
	x.Start() // with another cookie, which the next window finds
	if out, err := d.command(t, g, "xdpyinfo").CombinedOutput(); err != nil {
		t.Errorf("after a new start: %v: %s", err, out)
	}
}

// createWindow and changeProperty are opcodes of the core protocol.
const (
	createWindow   = 1
	changeProperty = 18
	wmName         = 39 // an atom that is predefined, and one of a type
	stringType     = 31
)

// Fifty windows open at once, each on a connection of its own.
func TestManyWindows(t *testing.T) {
	sshtest.Leaks(t)
	const many = 50
	x := sshtest.StartXvfb(t)
	d := newDesk(t, &Forwarder{})
	g := d.allow(onDisplay(t, x))
	root := rootOf(t, x)
	for i := range many {
		d.openWindow(t, g, root, fmt.Sprintf("window %d.", i))
	}
	sshtest.Eventually(t, patience, "all windows are there", func() bool {
		return strings.Count(x.Run("xwininfo", "-root", "-tree"), `"window `) == many
	})
	if g.Windows() != many {
		t.Errorf("%d windows are counted", g.Windows())
	}
	d.end()
	sshtest.Eventually(t, patience, "the windows are gone", func() bool {
		return !strings.Contains(x.Run("xwininfo", "-root", "-tree"), `"window `)
	})
	if s := d.Stats(); s.Active != 0 || s.Total != many || s.Refused != 0 || s.ToDisplay == 0 || s.ToProgram == 0 {
		t.Errorf("counted %+v", s)
	}
}

// rootOf is the identity of the root window.
func rootOf(t testing.TB, x *sshtest.Xvfb) (id uint32) {
	t.Helper()
	_, text, _ := strings.Cut(x.Run("xwininfo", "-root"), "Window id: ")
	must[int](t)(fmt.Sscanf(text, "0x%x", &id))
	return id
}

// openWindow is a program with one window of that name, which nothing shows yet.
func (d *desk) openWindow(t testing.TB, g *Grant, root uint32, name string) {
	conn := d.connect(t, packetOf('l', magicCookie, g.Cookie.bytes()))
	var head answer
	must[int](t)(io.ReadFull(conn, head[:]))
	body := make([]byte, head.bodySize(le))
	must[int](t)(io.ReadFull(conn, body))
	id := le.Uint32(body[4:]) // where the program's own numbers begin
	var requests []byte
	for _, v := range []uint32{createWindow | 8<<16, id, root, 0, 10 | 10<<16, 0, 0, 0} { // at 0, 0; 10 by 10
		requests = le.AppendUint32(requests, v)
	}
	length := uint32(6 + len(padded(name))/4)
	for _, v := range []uint32{changeProperty | length<<16, id, wmName, stringType, 8, uint32(len(name))} {
		requests = le.AppendUint32(requests, v)
	}
	must[int](t)(conn.Write(append(requests, padded(name)...)))
}

// channels is the listener that a link makes of x11 channels.
type channels struct {
	offered <-chan ssh.NewChannel
	closed  chan struct{}
	close   sync.Once
}

func (l *channels) Accept() (net.Conn, error) {
	select {
	case offered, ok := <-l.offered:
		if !ok {
			return nil, io.EOF
		}
		channel, requests, err := offered.Accept()
		if err != nil {
			return nil, err
		}
		go ssh.DiscardRequests(requests)
		return channelConn{Channel: channel}, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *channels) Close() error   { l.close.Do(func() { close(l.closed) }); return nil }
func (l *channels) Addr() net.Addr { return &net.TCPAddr{} }

// channelConn is a channel as a net.Conn.
type channelConn struct {
	net.Conn // nothing of it is called
	ssh.Channel
}

func (c channelConn) Read(p []byte) (int, error)  { return c.Channel.Read(p) }
func (c channelConn) Write(p []byte) (int, error) { return c.Channel.Write(p) }
func (c channelConn) Close() error                { return c.Channel.Close() }

// A real sshd takes the request and gives its programs the fake cookie.
func TestSSHD(t *testing.T) {
	x := sshtest.StartXvfb(t)
	sshd := sshtest.StartSSHD(t, "X11Forwarding yes")
	signer := must[ssh.Signer](t)(ssh.ParsePrivateKey(must[[]byte](t)(os.ReadFile(sshd.ClientKey))))
	link := must[*ssh.Client](t)(ssh.Dial("tcp", sshd.Addr, &ssh.ClientConfig{
		User: sshd.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(sshd.HostKeys[0]),
		HostKeyAlgorithms: []string{sshd.HostKeys[0].Type()},
	}))
	defer link.Close()
	listener := &channels{offered: link.HandleChannelOpen("x11"), closed: make(chan struct{})}
	d := newDesk(t, &Forwarder{})
	g := d.allow(onDisplay(t, x))
	over := make(chan struct{})
	serving, end := context.WithCancel(t.Context())
	go func() { defer close(over); d.accept(serving, listener) }()
	defer func() { end(); <-over }()

	session := must[*ssh.Session](t)(link.NewSession())
	defer session.Close()
	if ok, err := session.SendRequest("x11-req", true, g.Request()); !ok || err != nil {
		t.Fatalf("x11-req: %v, %v", ok, err)
	}
	out, err := session.CombinedOutput("xauth list; xdpyinfo")
	if err != nil || !strings.Contains(string(out), "number of screens:    1") || !strings.Contains(string(out), g.Cookie.Hex()) {
		t.Errorf("%v: %s", err, out)
	}
	if strings.Contains(string(out), x.Cookie) {
		t.Error("the server saw the display's own cookie")
	}
}
