package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// deadWithin is keepalive × (keepalive_misses + 1) of the test profiles.
const deadWithin = 1500 * time.Millisecond

// Promise 3: a dead connection is noticed within keepalive × (keepalive_misses
// + 1), and the daemon says so. The server is stopped, not closed.
func TestPromiseDeadConnectionIsNoticed(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	local := freeAddr(t)
	p := startDaemon(t, map[string]string{"work": server(d) + localForward("db", local, echo.Addr)})
	p.link(0, "work", "up")
	ping(t, dialTCP(t, local), "before")
	mark, start := p.mark(), time.Now()
	d.Pause(false)
	noticed(t, p.coded(mark, "work", fault.KeepaliveLost), start)
	mark = p.mark()
	d.Resume()
	p.link(mark, "work", "up")
	ping(t, dialTCP(t, local), "after")
}

// noticed checks that an event came in time. A second is for a busy machine.
func noticed(t *testing.T, e control.Event, start time.Time) {
	t.Helper()
	if took := e.Time.Sub(start); took > deadWithin+time.Second {
		t.Errorf("noticed after %s, promised %s", took, deadWithin)
	}
}

// The same where something on the way swallows every byte.
func TestSwallowedBytesAreNoticed(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	relay := sshtest.NewRelay(t, d.Addr)
	local := freeAddr(t)
	p := startDaemon(t, map[string]string{"work": serverAt(d, relay.Addr) + localForward("db", local, echo.Addr)})
	p.link(0, "work", "up")
	open := dialTCP(t, local)
	ping(t, open, "before")
	mark, start := p.mark(), time.Now()
	relay.Freeze()
	noticed(t, p.coded(mark, "work", fault.KeepaliveLost), start)
	// The client of a stream that broke sees an error, never a clean end.
	if _, err := open.Read(make([]byte, 1)); err == nil || err.Error() == "EOF" {
		t.Errorf("read from a broken stream: %v", err)
	}
	mark = p.mark()
	relay.Cut()
	relay.Thaw()
	p.link(mark, "work", "up")
	ping(t, dialTCP(t, local), "after")
}

// Promise 1: nothing secret and no traffic goes to a server whose host key is
// not verified. Its key is replaced: the link is refused, not one byte of
// authentication is sent, and it recovers when known_hosts is mended.
func TestPromiseNothingBeforeTheHostKeyIsVerified(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	local := freeAddr(t)
	text := server(d) + localForward("db", local, echo.Addr)
	p := startDaemon(t, map[string]string{"work": text})
	p.link(0, "work", "up")
	old := ssh.FingerprintSHA256(d.HostKeys[0])
	mark, said := p.mark(), len(d.Log())
	d.ReplaceHostKeys()
	d.KillConnections()
	e := p.link(mark, "work", "refused")
	if e.Code != fault.HostKeyChanged || !strings.Contains(e.Detail, old) || !strings.Contains(e.Detail, ssh.FingerprintSHA256(d.HostKeys[0])) ||
		!strings.Contains(e.Detail, ".alias:1") || e.Hint == "" {
		t.Errorf("event %+v", e)
	}
	if c, err := net.Dial("tcp", local); err == nil { // it may be reset before connect returns
		defer c.Close()
		if err := tryPing(c, "anyone?"); err == nil {
			t.Error("traffic went through")
		}
	}
	time.Sleep(time.Second) // it must not try again at once: a negative has no event to wait for
	log := d.Log()[said:]
	if strings.Contains(log, "publickey") || strings.Count(log, "Connection from") > 2 || echo.Active() > 0 {
		t.Errorf("the server saw:\n%s", log)
	}
	mark = p.mark()
	aliased(d)
	p.link(mark, "work", "up")
	ping(t, dialTCP(t, local), "after")
}

// An unknown host is nobody to log in to either.
func TestUnknownHostIsBlocked(t *testing.T) {
	d := sshtest.StartSSHD(t)
	p := startDaemon(t, map[string]string{"work": strings.Replace(server(d), `alias = "server"`, `alias = "other"`, 1) + localForward("db", freeAddr(t), "127.0.0.1:1")})
	if e := p.link(0, "work", "blocked"); e.Code != fault.HostKeyUnknown || !strings.Contains(e.Detail, ssh.FingerprintSHA256(d.HostKeys[0])) {
		t.Errorf("event %+v", e)
	}
	if log := d.Log(); strings.Contains(log, "publickey") {
		t.Errorf("the server saw:\n%s", log)
	}
}

// Promise 2: one bad server harms nobody else, and each kind has its own code.
func TestPromiseBadServersHarmNobody(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	_, wrong := sshtest.NewKey(t)
	local := freeAddr(t)
	to := func(addr string) string {
		return strings.Replace(serverAt(d, addr), `connect_timeout = "5s"`, `connect_timeout = "1s"`, 1) + localForward("db", freeAddr(t), echo.Addr)
	}
	script := func(handle func(net.Conn)) string { return to(sshtest.Script(t, handle).Addr) }
	p := startDaemon(t, map[string]string{
		"good":     server(d) + localForward("db", local, echo.Addr),
		"silent":   script(sshtest.Silent),
		"web":      script(sshtest.Saying("HTTP/1.1 400 Bad Request\r\n\r\n")),
		"closing":  script(sshtest.HangUpInKex),
		"busy":     script(sshtest.Saying("Exceeded MaxStartups\r\n")),
		"absent":   to("127.0.0.1:1"),
		"nameless": strings.Replace(to("127.0.0.1:22"), `"127.0.0.1", port`, `"no-such-host.invalid", port`, 1),
		"keyless":  strings.Replace(server(d), d.ClientKey, wrong, 1) + localForward("db", freeAddr(t), echo.Addr),
		"broken":   "server = { host = }\n",
	})
	for profile, want := range map[string]struct {
		code  fault.Code
		state string
	}{
		"silent":   {fault.HandshakeTimeout, "waiting"},
		"web":      {fault.NotSSH, "waiting"},
		"closing":  {fault.ClosedByServer, "waiting"},
		"busy":     {fault.ServerBusy, "refused"},
		"absent":   {fault.ConnectRefused, "waiting"},
		"nameless": {fault.DNSFailed, "waiting"},
		"keyless":  {fault.AuthRejected, "refused"},
	} {
		if e := p.link(0, profile, want.state); e.Code != want.code || e.Hint == "" || e.Time.Sub(p.link(0, profile, "connecting").Time) > 3*time.Second {
			t.Errorf("%s: %+v", profile, e)
		}
	}
	ping(t, dialTCP(t, local), "untouched")
	if err := p.stop(); err != nil {
		t.Errorf("exit: %v", err)
	}
}

// Promise 4: it retries for ever, politely. The server is away for many
// attempts; their pace stays within the profile's bounds, the log does not
// repeat itself, and the link comes back by itself.
func TestPromiseRetriesForEverPolitely(t *testing.T) {
	t.Parallel()
	d := sshtest.StartSSHD(t)
	relay := sshtest.NewRelay(t, d.Addr)
	p := startDaemon(t, map[string]string{"work": serverAt(d, relay.Addr) + localForward("db", freeAddr(t), "127.0.0.1:1")})
	p.link(0, "work", "up")
	relay.Refuse(true)
	mark, start := p.mark(), time.Now()
	relay.Cut()
	p.coded(mark, "work", fault.ConnectRefused)
	time.Sleep(3 * time.Second) // attempts fail one after another meanwhile
	away := time.Since(start)
	mark = p.mark()
	relay.Refuse(false)
	e := p.link(mark, "work", "up")
	// With waits of 50 to 300 ms, 175 ms in the mean: fewer than one each 50 ms, more than one each second.
	if n := e.Repeats; n < int(away/time.Second) || n > int(away/(50*time.Millisecond)) {
		t.Errorf("%d attempts in %s", n, away)
	}
	if said := strings.Count(p.log(), `"code":"connect_refused"`); said != 1 {
		t.Errorf("connect_refused was told %d times", said)
	}
}

// Promise 8: no command is started on a server that nobody asked for.
func TestPromiseNoCommandUnasked(t *testing.T) {
	marker := t.TempDir() + "/started"
	d := sshtest.StartSSHD(t, "ForceCommand touch "+marker)
	echo, local := sshtest.Echo(t), freeAddr(t)
	p := startDaemon(t, map[string]string{"work": server(d) + localForward("db", local, echo.Addr) + remoteForward("hook", freeAddr(t), echo.Addr)})
	p.forward(0, "work", "hook", "listening")
	ping(t, dialTCP(t, local), "one")
	mark := p.mark()
	d.KillConnections()
	p.forward(mark, "work", "hook", "listening")
	ping(t, dialTCP(t, local), "two")
	if _, err := os.Stat(marker); err == nil {
		t.Error("a command ran on the server")
	}
	if log := d.Log(); strings.Contains(log, "Starting session") {
		t.Errorf("a session was started:\n%s", log)
	}
}

// Promise 6, as far as there are secrets: nothing of a private key is in the
// log, whatever goes wrong, at the most talkative level.
func TestPromiseNothingSecretIsLogged(t *testing.T) {
	d := sshtest.StartSSHD(t)
	_, wrong := sshtest.NewKey(t)
	garbled := t.TempDir() + "/garbled"
	secret, err := os.ReadFile(wrong)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(garbled, secret[:len(secret)-60], 0o600); err != nil {
		t.Fatal(err)
	}
	forward := func() string { return localForward("db", freeAddr(t), "127.0.0.1:1") }
	p := startDaemon(t, map[string]string{
		"good":    server(d) + forward(),
		"wrong":   strings.Replace(server(d), d.ClientKey, wrong, 1) + forward(),
		"garbled": strings.Replace(server(d), d.ClientKey, garbled, 1) + forward(),
	})
	p.link(0, "good", "up")
	p.coded(0, "wrong", fault.AuthRejected)
	p.coded(0, "garbled", fault.KeyUnreadable)
	log := p.log()
	for _, line := range strings.Split(string(secret), "\n") {
		if len(line) > 20 && !strings.HasPrefix(line, "-") && strings.Contains(log, line) {
			t.Errorf("the log has a line of the key: %s", line)
		}
	}
	if !strings.Contains(log, "SHA256:") {
		t.Error("the log names no key at all: this test sees nothing")
	}
}

// Two hundred profiles with five forwards each run in one process.
func TestManyProfiles(t *testing.T) {
	t.Parallel()
	const n = 200
	d, echo := sshtest.StartSSHD(t, "MaxStartups 1000", "LoginGraceTime 120"), sshtest.Echo(t)
	all := map[string]string{}
	free := freeAddrs(t, 5*n)
	for i := range n {
		text := strings.Replace(server(d), `connect_timeout = "5s"`, `connect_timeout = "60s"`, 1)
		text = strings.Replace(text, `keepalive = "500ms"`, `keepalive = "30s"`, 1)
		for j := range 5 {
			text += localForward(fmt.Sprint("f", j), free[5*i+j], echo.Addr)
		}
		all[fmt.Sprintf("p%03d", i)] = text
	}
	p := startDaemon(t, all)
	sshtest.Eventually(t, 4*patience, "all links up", func() bool { return strings.Count(p.log(), `"link up"`) == n })
	for i := range n {
		p.link(0, fmt.Sprintf("p%03d", i), "up")
		p.forward(0, fmt.Sprintf("p%03d", i), "f4", "listening")
	}
	for _, addr := range []string{free[0], free[5*n-1]} {
		ping(t, dialTCP(t, addr), "hello")
	}
	if err := p.stop(); err != nil {
		t.Errorf("exit: %v", err)
	}
}
