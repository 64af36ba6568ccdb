package link_test

import (
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/identity"
	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

// details returns the details of the events with that message.
func (r *recorder) details(message string) (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Message == message {
			all = append(all, e.Detail)
		}
	}
	return all
}

// codes are those of a chain of errors, the outermost first.
func codes(err error) (all []fault.Code) {
	for f := fault.As(err); f != nil; f = fault.As(f.Err) {
		all = append(all, f.Code)
	}
	return all
}

// failure waits for a reason why the link is not up.
func failure(t *testing.T, l *link.Link) error {
	t.Helper()
	sshtest.Eventually(t, patience, "a failure", func() bool { return l.Status().Err != nil })
	return l.Status().Err
}

func name(d *sshtest.SSHD) string { return d.User + "@" + d.Addr }

func TestTwoJumpsAndBack(t *testing.T) {
	sshtest.Leaks(t)
	first, second, last, backend := sshtest.StartSSHD(t), sshtest.StartSSHD(t), sshtest.StartSSHD(t), sshtest.Echo(t)
	tg := sshdTarget(t, last)
	tg.Jumps = []link.Target{sshdTarget(t, first), sshdTarget(t, second)}
	l, r := serve(t, tg)
	c, err := dial(t, l, backend.Addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	echo(t, c, "hello")
	var verified []string
	for _, d := range r.details("host key verified") {
		verified = append(verified, strings.Fields(d)[0])
	}
	if want := []string{name(first) + ":", name(second) + ":", "ssh-ed25519"}; !slices.Equal(verified, want) {
		t.Errorf("verified in the order %q, want %q", verified, want)
	}
	if p := l.Status().Peer; p.Address != last.Addr || p.HostKey.Fingerprint != ssh.FingerprintSHA256(last.HostKeys[0]) {
		t.Errorf("peer %+v", p)
	}
	for _, d := range []*sshtest.SSHD{first, second} {
		before := l.Status().Reconnects
		d.KillConnections()
		sshtest.Eventually(t, patience, "reconnect", func() bool { return l.Status().Reconnects > before })
		err := l.Status().LastDown.Err
		if want := []fault.Code{fault.JumpFailed, fault.ClosedByServer}; !slices.Equal(codes(err), want) || !strings.Contains(err.Error(), name(d)) {
			t.Errorf("lost because of %v, want %v at %s", err, want, name(d))
		}
	}
	l.Restart()
	for _, d := range []*sshtest.SSHD{first, second, last} {
		sshtest.Eventually(t, patience, "one connection to each", func() bool { return l.Status().State == link.Up && d.Connections() == 1 })
	}
}

func TestHostKeyOfAHop(t *testing.T) {
	sshtest.Leaks(t)
	hop := sshtest.StartSSHD(t)
	other, key := sshtest.NewKey(t)
	for what, test := range map[string]struct {
		known string
		code  fault.Code
		state link.State
	}{
		"unknown": {sshtest.KnownHosts(t, "127.0.0.1:1"), fault.HostKeyUnknown, link.Blocked},
		"changed": {sshtest.KnownHosts(t, hop.Addr, other.PublicKey()), fault.HostKeyChanged, link.Refused},
	} {
		t.Run(what, func(t *testing.T) {
			last := &sshserver.Server{}
			sshtest.Serve(t, last)
			tg := target(t, last.Addr(), "ana", key, sshtest.KnownHosts(t, last.Addr(), last.HostKeys()...))
			jump := sshdTarget(t, hop)
			jump.HostKeys.Files = []string{test.known}
			tg.Jumps = []link.Target{jump}
			l, _ := serve(t, tg)
			err := await(t, l, test.state).Err
			if want := []fault.Code{fault.JumpFailed, test.code}; !slices.Equal(codes(err), want) || !strings.Contains(err.Error(), name(hop)) {
				t.Errorf("%v, want %v", err, want)
			}
			if fault.HintOf(err) != test.code.Hint() {
				t.Errorf("hint %q", fault.HintOf(err))
			}
			if len(last.Attempts()) != 0 {
				t.Error("the target was reached through an unverified hop")
			}
			data, _ := os.ReadFile(hop.KnownHosts)
			if err := os.WriteFile(test.known, data, 0o600); err != nil {
				t.Fatal(err)
			}
			sshtest.Eventually(t, patience, "past the hop", func() bool { return fault.CodeOf(l.Status().Err) == fault.AuthRejected })
		})
	}
}

// What goes wrong at a hop or behind it, and who is named.
func TestHopFails(t *testing.T) {
	sshtest.Leaks(t)
	good, denies := sshtest.StartSSHD(t), sshtest.StartSSHD(t, "AllowTcpForwarding no")
	silent := sshtest.Script(t, sshtest.Silent)
	gone := func(tg link.Target) link.Target { tg.Host, tg.Port = "127.0.0.1", 1; return tg }
	mute := func(tg link.Target) link.Target {
		tg.Port = portOf(t, silent.Addr)
		tg.ConnectTimeout = 500 * time.Millisecond
		return tg
	}
	a, b := sshdTarget(t, good), sshdTarget(t, denies)
	for what, test := range map[string]struct {
		route  []link.Target // its last one is the target
		blamed string
		inner  fault.Code
	}{
		"first is gone":            {[]link.Target{gone(a), a}, "127.0.0.1:1:", fault.ConnectRefused},
		"first is silent":          {[]link.Target{mute(a), a}, silent.Addr, fault.HandshakeTimeout},
		"first denies":             {[]link.Target{b, a}, denies.Addr, fault.TargetDenied},
		"second is gone":           {[]link.Target{a, gone(a), a}, good.Addr, fault.TargetRefused},
		"second denies":            {[]link.Target{a, b, a}, denies.Addr, fault.TargetDenied},
		"second is silent":         {[]link.Target{a, mute(a), a}, silent.Addr, fault.HandshakeTimeout},
		"the target is not jumped": {[]link.Target{a, mute(a)}, "", ""},
	} {
		t.Run(what, func(t *testing.T) {
			last := len(test.route) - 1
			tg := test.route[last]
			tg.Jumps = test.route[:last]
			l, _ := serve(t, tg)
			err := failure(t, l)
			if test.inner == "" {
				if fault.CodeOf(err) != fault.HandshakeTimeout {
					t.Errorf("%v, want %s", err, fault.HandshakeTimeout)
				}
				return
			}
			if want := []fault.Code{fault.JumpFailed, test.inner}; !slices.Equal(codes(err), want) || !strings.Contains(err.Error(), test.blamed) {
				t.Errorf("%v, want %v of %s", err, want, test.blamed)
			}
			if s := l.Status().State; s == link.Refused || s == link.Blocked {
				t.Errorf("the link is %s", s)
			}
		})
	}
}

// A hop that dies while another server is reached through it is the one that is
// named.
func TestHopDiesInTheHandshakeBehindIt(t *testing.T) {
	sshtest.Leaks(t)
	hop := sshtest.StartSSHD(t)
	behind := sshtest.Script(t, func(net.Conn) { hop.KillConnections() })
	tg := sshdTarget(t, hop)
	tg.Port = portOf(t, behind.Addr)
	tg.Jumps = []link.Target{sshdTarget(t, hop)}
	l, _ := serve(t, tg)
	err := failure(t, l)
	if want := []fault.Code{fault.JumpFailed, fault.ClosedByServer}; !slices.Equal(codes(err), want) || !strings.Contains(err.Error(), name(hop)) {
		t.Errorf("%v, want %v", err, want)
	}
}

// The family counts for the first dial alone: the hop has another way on.
func TestAddressFamily(t *testing.T) {
	sshtest.Leaks(t)
	hop, last := sshtest.StartSSHD(t), sshtest.StartSSHD(t)
	for family, want := range map[string]link.State{"inet": link.Up, "inet6": link.Waiting} {
		tg, jump := sshdTarget(t, last), sshdTarget(t, hop)
		jump.Host, jump.AddressFamily = "localhost", "of no interest"
		tg.Jumps, tg.AddressFamily = []link.Target{jump}, family
		l, _ := serve(t, tg)
		if err := await(t, l, want).Err; want == link.Waiting && fault.CodeOf(err) != fault.JumpFailed {
			t.Errorf("%s: %v", family, err)
		}
	}
}

// A hop that goes silent is noticed by the target's keepalive, and its stuck
// transport holds nothing up.
func TestHopGoesSilent(t *testing.T) {
	sshtest.Leaks(t)
	hop, last := sshtest.StartSSHD(t), sshtest.StartSSHD(t)
	relay := sshtest.NewRelay(t, hop.Addr)
	jump := sshdTarget(t, hop)
	jump.Port = portOf(t, relay.Addr)
	jump.HostKeys = identity.HostKeys{Fingerprints: []string{ssh.FingerprintSHA256(hop.HostKeys[0])}}
	tg := sshdTarget(t, last)
	tg.Jumps = []link.Target{jump}
	l, _ := serve(t, tg)
	await(t, l, link.Up)
	surviveSilence(t, l, relay)
}

func TestHappyEyeballs(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t) // on 127.0.0.1 alone
	tg := sshdTarget(t, d)
	tg.Host = "localhost"
	l, r := serve(t, tg)
	if p := await(t, l, link.Up).Peer; p.Address != d.Addr {
		t.Errorf("connected to %s", p.Address)
	}
	if all := r.details("resolved"); len(all) != 1 || !strings.Contains(all[0], "localhost is ") || !strings.Contains(all[0], "127.0.0.1") {
		t.Errorf("resolved %q", all)
	}
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return a.Port
}
