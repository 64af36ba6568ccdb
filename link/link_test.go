package link_test

import (
	"context"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/identity"
	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

// patience bounds every wait of these tests, on a machine that runs others.
const patience = 20 * time.Second

// recorder keeps a link's events.
type recorder struct {
	mu     sync.Mutex
	events []link.Event
}

func (r *recorder) add(e link.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) steps() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, e := range r.events {
		b.WriteString(e.Message + ";")
	}
	return b.String()
}

// target returns a target for a server at addr, with short times.
func target(t *testing.T, addr, user, key, knownHosts string) link.Target {
	t.Helper()
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(service)
	if err != nil {
		t.Fatal(err)
	}
	return link.Target{
		Host: host, Port: port, User: user,
		HostKeys:       identity.HostKeys{Files: []string{knownHosts}},
		Credentials:    identity.Credentials{Files: []string{key}, Named: true, IdentitiesOnly: true},
		ConnectTimeout: 5 * time.Second,
		Keepalive:      200 * time.Millisecond, KeepaliveMisses: 2,
		Backoff:      link.Backoff{Min: 20 * time.Millisecond, Max: 100 * time.Millisecond},
		RefusedRetry: time.Hour,
	}
}

func sshdTarget(t *testing.T, d *sshtest.SSHD) link.Target {
	return target(t, d.Addr, d.User, d.ClientKey, d.KnownHosts)
}

// serve runs a link until the test ends.
func serve(t *testing.T, tg link.Target) (*link.Link, *recorder) {
	t.Helper()
	return serveWith(t, tg, func(*link.Link) {})
}

// serveWith does the same once prepare has set more of the link.
func serveWith(t *testing.T, tg link.Target, prepare func(*link.Link)) (*link.Link, *recorder) {
	t.Helper()
	l, r := link.New(tg), &recorder{}
	l.Events = r.add
	prepare(l)
	sshtest.Run(t, l)
	return l, r
}

func await(t *testing.T, l *link.Link, want link.State) link.Status {
	t.Helper()
	sshtest.Eventually(t, patience, "link "+string(want), func() bool { return l.Status().State == want })
	return l.Status()
}

// echo sends text through a connection and reads it back.
func echo(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("read %q, %v", got, err)
	}
}

func dial(t *testing.T, l *link.Link, addr string, hold time.Duration) (net.Conn, error) {
	t.Helper()
	host, service, _ := net.SplitHostPort(addr)
	port, _ := strconv.Atoi(service)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return l.Dial(ctx, host, port, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9), Port: 4242}, hold)
}

func TestDialThroughRealServer(t *testing.T) {
	sshtest.Leaks(t)
	d, backend := sshtest.StartSSHD(t), sshtest.Echo(t)
	l, r := serve(t, sshdTarget(t, d))
	c, err := dial(t, l, backend.Addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	echo(t, c, "hello")
	p := l.Status().Peer
	if p.Cipher != ssh.CipherAES128GCM || !strings.HasPrefix(p.Version, "SSH-2.0-OpenSSH") || p.Login.Method != "publickey" ||
		p.HostKey.Fingerprint != ssh.FingerprintSHA256(d.HostKeys[0]) {
		t.Errorf("peer %+v", p)
	}
	if want := "link connecting;connected;versions exchanged;server offers;we offer;server offers;we offer;server offers;we offer;server offers;we offer;algorithms agreed;host key verified;authenticated;link up;"; r.steps() != want {
		t.Errorf("steps %s, want %s", r.steps(), want)
	}
	if _, err := dial(t, l, "127.0.0.1:1", patience); fault.CodeOf(err) != fault.TargetRefused {
		t.Errorf("dial of a closed port: %v", err)
	}
}

func TestOriginIsTrue(t *testing.T) {
	sshtest.Leaks(t)
	srv := &sshserver.Server{PublicKey: func(string, ssh.PublicKey) error { return nil }}
	sshtest.Serve(t, srv)
	backend := sshtest.Echo(t)
	_, key := sshtest.NewKey(t)
	l, _ := serve(t, target(t, srv.Addr(), "ana", key, sshtest.KnownHosts(t, srv.Addr(), srv.HostKeys()...)))
	c, err := dial(t, l, backend.Addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if o := srv.Opened(); len(o) != 1 || o[0].Origin != "127.0.0.9:4242" {
		t.Errorf("opened %+v", o)
	}
}

func TestKilledAndBack(t *testing.T) {
	sshtest.Leaks(t)
	d, backend := sshtest.StartSSHD(t), sshtest.Echo(t)
	l, _ := serve(t, sshdTarget(t, d))
	await(t, l, link.Up)
	for n := 1; n <= 3; n++ {
		open, err := dial(t, l, backend.Addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		echo(t, open, "before")
		d.KillConnections()
		if _, err := open.Read(make([]byte, 1)); fault.CodeOf(err) != fault.ClosedByServer {
			t.Errorf("read from a broken stream: %v", err)
		}
		open.Close()
		sshtest.Eventually(t, patience, "reconnect", func() bool { return l.Status().Reconnects >= n })
	}
	if s := l.Status(); fault.CodeOf(s.LastDown.Err) != fault.ClosedByServer || s.LastDown.To.IsZero() {
		t.Errorf("last down %+v", s.LastDown)
	}
}

func TestSilentServerIsNoticed(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	relay := sshtest.NewRelay(t, d.Addr)
	tg := sshdTarget(t, d)
	host, service, _ := net.SplitHostPort(relay.Addr)
	tg.Host = host
	tg.Port, _ = strconv.Atoi(service)
	tg.HostKeys = identity.HostKeys{Fingerprints: []string{ssh.FingerprintSHA256(d.HostKeys[0]), ssh.FingerprintSHA256(d.HostKeys[1]), ssh.FingerprintSHA256(d.HostKeys[2])}}
	l, _ := serve(t, tg)
	await(t, l, link.Up)
	sshtest.Eventually(t, patience, "a round trip time", func() bool { return l.Status().RTT > 0 })
	surviveSilence(t, l, relay)
}

// surviveSilence wants the link and what is open through it to break when the
// relay falls silent, for that reason, and the link to come back.
func surviveSilence(t *testing.T, l *link.Link, relay *sshtest.Relay) {
	t.Helper()
	open, err := dial(t, l, sshtest.Echo(t).Addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	echo(t, open, "before")
	relay.Freeze()
	if _, err := open.Read(make([]byte, 1)); fault.CodeOf(err) != fault.KeepaliveLost {
		t.Errorf("the stream broke because of %v", err)
	}
	sshtest.Eventually(t, patience, "loss", func() bool { return l.Status().State != link.Up })
	if err := l.Status().LastDown.Err; fault.CodeOf(err) != fault.KeepaliveLost {
		t.Errorf("lost because of %v", err)
	}
	relay.Cut()
	relay.Thaw()
	await(t, l, link.Up)
}

// Each bad server has its own code and state, and gets no authentication.
func TestBadServers(t *testing.T) {
	sshtest.Leaks(t)
	_, key := sshtest.NewKey(t)
	none := sshtest.KnownHosts(t, "127.0.0.1:1")
	busy := func(c net.Conn) { sshtest.Saying("Not allowed at this time\r\n")(c) }
	for name, test := range map[string]struct {
		serve func(net.Conn)
		code  fault.Code
		state link.State
	}{
		"silent":         {sshtest.Silent, fault.HandshakeTimeout, link.Waiting},
		"web":            {sshtest.Saying("HTTP/1.1 400 Bad Request\r\n\r\n"), fault.NotSSH, link.Waiting},
		"busy":           {busy, fault.ServerBusy, link.Refused},
		"closes in kex":  {sshtest.HangUpInKex, fault.ClosedByServer, link.Waiting},
		"closes at once": {sshtest.Slam, fault.ClosedByServer, link.Waiting},
	} {
		t.Run(name, func(t *testing.T) {
			tg := target(t, sshtest.Script(t, test.serve).Addr, "ana", key, none)
			tg.ConnectTimeout = 500 * time.Millisecond
			l, _ := serve(t, tg)
			sshtest.Eventually(t, patience, "a failure", func() bool { return l.Status().Err != nil })
			s := l.Status()
			if fault.CodeOf(s.Err) != test.code {
				t.Errorf("%v, want %s", s.Err, test.code)
			}
			await(t, l, test.state)
			if fault.HintOf(s.Err) == "" {
				t.Error("no hint")
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	sshtest.Leaks(t)
	_, key := sshtest.NewKey(t)
	for name, test := range map[string]struct {
		host string
		code fault.Code
	}{
		"refused": {"127.0.0.1", fault.ConnectRefused},
		"no name": {"no-such-host.invalid", fault.DNSFailed},
	} {
		t.Run(name, func(t *testing.T) {
			tg := target(t, "127.0.0.1:1", "ana", key, key)
			tg.Host = test.host
			l, _ := serve(t, tg)
			sshtest.Eventually(t, patience, "a failure", func() bool { return l.Status().Err != nil })
			if err := l.Status().Err; fault.CodeOf(err) != test.code {
				t.Errorf("%v, want %s", err, test.code)
			}
		})
	}
}

func TestHostKeyChangedAndMended(t *testing.T) {
	sshtest.Leaks(t)
	srv := &sshserver.Server{PublicKey: func(string, ssh.PublicKey) error { return nil }}
	sshtest.Serve(t, srv)
	other, _ := sshtest.NewKey(t)
	_, key := sshtest.NewKey(t)
	file := sshtest.KnownHosts(t, srv.Addr(), other.PublicKey())
	l, _ := serve(t, target(t, srv.Addr(), "ana", key, file))
	s := await(t, l, link.Refused)
	if fault.CodeOf(s.Err) != fault.HostKeyChanged || !strings.Contains(s.Err.Error(), file+":1") ||
		!strings.Contains(s.Err.Error(), ssh.FingerprintSHA256(srv.HostKeys()[0])) || !strings.Contains(s.Err.Error(), ssh.FingerprintSHA256(other.PublicKey())) {
		t.Errorf("%v", s.Err)
	}
	if a := srv.Attempts(); len(a) != 0 {
		t.Errorf("authentication was attempted: %+v", a)
	}
	if _, err := dial(t, l, "127.0.0.1:1", patience); fault.CodeOf(err) != fault.HostKeyChanged {
		t.Errorf("dial on a refused link: %v", err)
	}
	data, err := os.ReadFile(sshtest.KnownHosts(t, srv.Addr(), srv.HostKeys()...))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, l, link.Up)
}

func TestUnknownHostBlocks(t *testing.T) {
	sshtest.Leaks(t)
	srv := &sshserver.Server{}
	sshtest.Serve(t, srv)
	_, key := sshtest.NewKey(t)
	l, _ := serve(t, target(t, srv.Addr(), "ana", key, t.TempDir()+"/none"))
	s := await(t, l, link.Blocked)
	if fault.CodeOf(s.Err) != fault.HostKeyUnknown || len(srv.Attempts()) != 0 {
		t.Errorf("%v, attempts %v", s.Err, srv.Attempts())
	}
}

func TestKeyRejected(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	signer, key := sshtest.NewKey(t)
	tg := sshdTarget(t, d)
	tg.Credentials.Files = []string{key}
	l, _ := serve(t, tg)
	s := await(t, l, link.Refused)
	if fault.CodeOf(s.Err) != fault.AuthRejected || !strings.Contains(s.Err.Error(), ssh.FingerprintSHA256(signer.PublicKey())) ||
		!strings.Contains(s.Err.Error(), "publickey") {
		t.Errorf("%v", s.Err)
	}
}

func TestHoldExpires(t *testing.T) {
	sshtest.Leaks(t)
	_, key := sshtest.NewKey(t)
	tg := target(t, "127.0.0.1:1", "ana", key, key)
	l, _ := serve(t, tg)
	if _, err := dial(t, l, "127.0.0.1:1", 100*time.Millisecond); fault.CodeOf(err) != fault.HoldExpired {
		t.Errorf("dial: %v", err)
	}
}

func TestRestartAndRetarget(t *testing.T) {
	sshtest.Leaks(t)
	a, b := sshtest.StartSSHD(t), sshtest.StartSSHD(t)
	l, _ := serve(t, sshdTarget(t, a))
	await(t, l, link.Up)
	l.Restart()
	sshtest.Eventually(t, patience, "restart", func() bool { return l.Status().Reconnects == 1 })
	l.Retarget(sshdTarget(t, b))
	sshtest.Eventually(t, patience, "other server", func() bool { return l.Status().Peer.Address == b.Addr })
}
