package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// client asks the daemon, as any program may.
func (p *process) client() *control.Client {
	return control.New(here().folderSocket(filepath.Join(p.dir, "state")))
}

// observe waits until the status of a profile fits, and returns it.
func (p *process) observe(profile, what string, fits func(control.Profile) bool) control.Profile {
	p.t.Helper()
	var last control.Profile
	sshtest.Eventually(p.t, patience, "status of "+profile+": "+what, func() bool {
		s, err := p.client().Status(p.t.Context())
		if err != nil {
			return false // it is just starting
		}
		i := slices.IndexFunc(s.Profiles, func(q control.Profile) bool { return q.Name == profile })
		if i >= 0 {
			last = s.Profiles[i]
		}
		return i >= 0 && fits(last)
	})
	return last
}

// isServingIn is a profile in which everything listens and was measured.
func isServingIn(p control.Profile) bool { return isServing(p) && p.RTT != nil }

// Promise 7: what status says is what was observed.
func TestPromiseStatusIsWhatWasObserved(t *testing.T) {
	d, sink := sshtest.StartSSHD(t, "LogLevel DEBUG1"), sshtest.Sink(t)
	_, wrong := sshtest.NewKey(t)
	local, start := freeAddr(t), time.Now()
	p := startDaemon(t, map[string]string{
		"work": server(d) + localForward("db", local, sink.Addr) + remoteForward("hook", "127.0.0.1:0", sink.Addr),
		"edge": strings.Replace(server(d), d.ClientKey, wrong, 1) + localForward("db", freeAddr(t), sink.Addr),
	})
	work := p.observe("work", "up", isServingIn)
	observedLink(t, d, work, start)
	observedForwards(t, p, work, local)
	observedRefusal(t, p.observe("edge", "refused", func(q control.Profile) bool { return q.State == "refused" }))

	killed := time.Now()
	if d.KillConnections() == 0 {
		t.Fatal("nothing to kill")
	}
	work = p.observe("work", "back", func(q control.Profile) bool { return q.Reconnects == 1 && isServingIn(q) })
	down := work.LastDown
	if down == nil || down.To == nil || down.Code != fault.ClosedByServer || down.From.Before(killed) || down.To.Before(down.From) || work.Since.Sub(*down.To).Abs() > time.Second {
		t.Errorf("last_down %+v, since %v", down, work.Since)
	}
	d.Stop()
	work = p.observe("work", "waiting", func(q control.Profile) bool { return q.State == "waiting" && q.Error != nil })
	if work.RTT != nil || work.HostKey != "" || work.Error.Hint == "" || work.RetryAt == nil || work.Forwards[0].State != "listening" || work.Forwards[1].State == "listening" {
		t.Errorf("without a server: %+v", work)
	}
}

// observedLink compares the status of a link with what the server saw.
func observedLink(t *testing.T, d *sshtest.SSHD, p control.Profile, start time.Time) {
	t.Helper()
	log, dialer := d.Log(), net.Dialer{Timeout: patience}
	c, err := dialer.Dial("tcp", d.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	banner := make([]byte, len(p.ServerVersion))
	if _, err := io.ReadFull(c, banner); err != nil || string(banner) != p.ServerVersion || len(banner) == 0 {
		t.Errorf("server version %q, it sends %q", p.ServerVersion, banner)
	}
	if !slices.ContainsFunc(d.HostKeys, func(k ssh.PublicKey) bool { return ssh.FingerprintSHA256(k) == p.HostKey }) {
		t.Errorf("host key %q", p.HostKey)
	}
	for _, said := range []string{"server->client cipher: " + p.Cipher + " ", "kex: algorithm: " + p.KeyExchange + " "} {
		if !strings.Contains(log, said) {
			t.Errorf("sshd did not log %q", said)
		}
	}
	if p.Auth != "publickey" || !strings.Contains(log, "Accepted publickey for "+d.User) || p.Server != fmt.Sprintf("%s@%s", d.User, d.Addr) {
		t.Errorf("auth %q, server %q", p.Auth, p.Server)
	}
	if *p.RTT <= 0 || *p.RTT > 1000 || p.Since.Before(start) || p.Since.After(time.Now()) || p.Error != nil || p.RetryAt != nil || p.Reconnects != 0 || p.LastDown != nil {
		t.Errorf("status %+v", p)
	}
}

// observedForwards sends known bytes through both forwards of p, to where
// status says that they are bound, and wants exactly these counted.
func observedForwards(t *testing.T, p *process, q control.Profile, local string) {
	t.Helper()
	if f := q.Forwards[0]; !slices.Equal(f.Bound, []string{local}) || f.Listen != local {
		t.Errorf("bound %v, listen %s, want %s", f.Bound, f.Listen, local)
	}
	if len(q.Forwards[1].Bound) != 1 || strings.HasSuffix(q.Forwards[1].Bound[0], ":0") {
		t.Fatalf("remote bound %v", q.Forwards[1].Bound)
	}
	const sent = 100_003
	for i, addr := range []string{local, q.Forwards[1].Bound[0]} {
		open := dialTCP(t, addr)
		if _, err := io.Copy(open, sshtest.Pattern(sent)); err != nil {
			t.Fatal(err)
		}
		p.observe(q.Name, "one connection, counted", func(q control.Profile) bool {
			f := q.Forwards[i]
			return f.Active == 1 && f.BytesToServer+f.BytesFromServer == sent
		})
		open.CloseWrite()
		answer, err := io.ReadAll(open)
		if err != nil || len(answer) == 0 {
			t.Fatalf("answer %q, %v", answer, err)
		}
		there, back := uint64(sent), uint64(len(answer))
		if i == 1 { // the client is on the server's side
			there, back = back, there
		}
		q := p.observe(q.Name, "none left", func(q control.Profile) bool { return q.Forwards[i].Active == 0 })
		if f := q.Forwards[i]; f.Total != 1 || f.Failed != 0 || f.BytesToServer != there || f.BytesFromServer != back || f.Error != nil {
			t.Errorf("forward %+v, want %d there and %d back", f, there, back)
		}
	}
}

// observedRefusal wants the reason, what to do, and when it is tried again.
func observedRefusal(t *testing.T, p control.Profile) {
	t.Helper()
	if e := p.Error; e == nil || e.Code != fault.AuthRejected || e.Step != fault.Auth || e.Hint == "" || e.At.IsZero() || p.RetryAt == nil || p.RetryAt.Before(time.Now()) {
		t.Errorf("error %+v, retry at %v", e, p.RetryAt)
	}
}

// A round trip is measured where one takes its time.
func TestRoundTripIsMeasured(t *testing.T) {
	d := sshtest.StartSSHD(t)
	relay := sshtest.NewRelay(t, d.Addr)
	const delay = 20 * time.Millisecond // each way
	relay.Delay(delay)
	p := startDaemon(t, map[string]string{"work": serverAt(d, relay.Addr) + localForward("db", freeAddr(t), "127.0.0.1:1")})
	if ms := *p.observe("work", "up", isServingIn).RTT; ms < 40 || ms > 400 {
		t.Errorf("rtt %v ms, it takes 40 at least", ms)
	}
}

// An unknown host key is asked about, and its acceptance brings the link up;
// a trace of the same profile tells the steps in their order.
func TestPromptsAndTraceThroughTheAPI(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	text := strings.Replace(server(d), `alias = "server"`, `alias = "other"`, 1) + localForward("db", freeAddr(t), echo.Addr)
	p := startDaemon(t, map[string]string{"work": text})
	p.observe("work", "blocked", func(q control.Profile) bool { return q.State == "blocked" })
	client, ctx := p.client(), t.Context()
	prompts, err := client.Prompts(ctx)
	if err != nil || len(prompts) != 1 || prompts[0].Code != fault.HostKeyUnknown || prompts[0].HostKey == nil || len(prompts[0].HostKey.Known) != 0 {
		t.Fatalf("prompts %+v, %v", prompts, err)
	}
	if err := client.Trace(ctx, "work", control.TraceOptions{}, func(control.Event) {}); fault.CodeOf(err) != fault.HostKeyUnknown {
		t.Errorf("trace: %v", err)
	}
	a := control.Answer{ID: prompts[0].ID, Answers: []string{"SHA256:wrong"}}
	if err := client.Answer(ctx, a); err == nil {
		t.Error("another fingerprint was accepted")
	}
	a.Answers[0] = prompts[0].HostKey.Fingerprint
	if err := client.Answer(ctx, a); err != nil {
		t.Fatal(err)
	}
	p.observe("work", "up", isServingIn)
	if prompts, err := client.Prompts(ctx); err != nil || len(prompts) != 0 {
		t.Errorf("prompts %+v, %v", prompts, err)
	}
	var steps []fault.Step
	err = client.Trace(ctx, "work", control.TraceOptions{Forwards: true}, func(e control.Event) {
		if !slices.Contains(steps, e.Step) {
			steps = append(steps, e.Step)
		}
	})
	order := []fault.Step{fault.Resolve, fault.Connect, fault.Version, fault.Kex, fault.HostKey, fault.Auth, fault.Forward}
	rank := func(s fault.Step) int { return slices.Index(order, s) }
	if err != nil || !slices.IsSortedFunc(steps, func(a, b fault.Step) int { return rank(a) - rank(b) }) || !slices.Contains(steps, fault.HostKey) || !slices.Contains(steps, fault.Auth) {
		t.Errorf("steps %v, %v", steps, err)
	}
	if err := client.Trace(ctx, "play", control.TraceOptions{}, nil); fault.CodeOf(err) != fault.UnknownProfile {
		t.Errorf("trace of nothing: %v", err)
	}
}

// The commands without a daemon, with one, and with two.
func TestStatusAndReload(t *testing.T) {
	t.Parallel()
	d := sshtest.StartSSHD(t)
	text := server(d) + localForward("db", freeAddr(t), "127.0.0.1:1")
	p := startDaemon(t, map[string]string{"work": text})
	p.observe("work", "up", isServingIn)
	for _, c := range []struct {
		args           []string
		status         int
		stdout, stderr string
	}{
		{[]string{"status", "--config", p.dir}, 0, "work  up ", ""},
		{[]string{"status", "work", "--config", p.dir}, 0, "  db  listening", ""},
		{[]string{"status", "play", "--config", p.dir}, 1, "", "unknown_profile: the daemon has no profile \"play\"\nhint: "},
		{[]string{"status", "one", "two"}, 2, "", "hint: see tunneld status --help"},
		{[]string{"status", "--socket", p.dir + "/none"}, 4, "", "daemon_not_running: no daemon answers at " + p.dir + "/none\nhint: start one: tunneld run"},
		{[]string{"reload", "--socket", p.dir + "/none"}, 4, "", "hint: start one"},
		{[]string{"reload", "--socket", p.dir + "/state/tunneld.sock"}, 0, "nothing changed\n", ""},
		{[]string{"run", "--config", p.dir}, 1, "", fmt.Sprintf("tunneld: daemon_running: a daemon (pid %d) serves %s/state/tunneld.sock already\nhint: ", p.cmd.Process.Pid, p.dir)},
	} {
		stdout, stderr, status := command(t, c.args...)
		if status != c.status || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) || (c.stderr == "") != (stderr == "") {
			t.Errorf("%q: status %d\n%s%s", c.args, status, stdout, stderr)
		}
	}
	p.profile("lab", "tagret = 1\n")
	p.profile("new", "enabled = false\n"+text)
	if stdout, stderr, status := command(t, "reload", "--config", p.dir); status != 1 || !strings.Contains(stdout, "profiles/lab.toml:") || !strings.Contains(stderr, "bad_profile") {
		t.Errorf("reload: status %d\n%s%s", status, stdout, stderr)
	}
	stdout, stderr, status := command(t, "status", "--json", "--config", p.dir)
	var doc control.Status
	if err := json.Unmarshal([]byte(stdout), &doc); err != nil || status != 3 || stderr != "tunneld: not up: lab\n" {
		t.Errorf("status %d, %v\n%s", status, err, stderr)
	}
	if doc.Config != p.dir || len(doc.Profiles) != 2 || doc.Profiles[0].State != "disabled" || len(doc.Problems) == 0 {
		t.Errorf("document %+v", doc)
	}
}

// daemon.toml and the environment name the socket, to the daemon and to who asks.
func TestNamedSockets(t *testing.T) {
	dir, err := os.MkdirTemp("", "tunneld-socket-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &process{t: t, dir: t.TempDir()}
	p.write("daemon.toml", daemonTOML+fmt.Sprintf("socket = %q\n", dir+"/one.sock"))
	p.start()
	p.await(0, "answering", func(e control.Event) bool { return e.Message == "answering" && e.Detail == dir+"/one.sock" })
	if _, stderr, status := command(t, "status", "--config", p.dir); status != 0 {
		t.Errorf("status %d\n%s", status, stderr)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TUNNELD_SOCKET", dir+"/two.sock")
	p.start()
	p.await(0, "answering", func(e control.Event) bool { return e.Detail == dir+"/two.sock" })
	if _, stderr, status := command(t, "status"); status != 0 {
		t.Errorf("status %d\n%s", status, stderr)
	}
}

func TestPlacesOfSockets(t *testing.T) {
	linux := places{system: "linux", account: "1000", runtime: "/run/user/1000", temp: "/tmp"}
	bare := places{system: "linux", account: "1000", temp: "/var/tmp"}
	windows := places{system: "windows", account: "S-1-5-21-7", temp: `C:\Temp`}
	named := folders{state: "/home/ana/t/state", named: true, system: true}
	long := folders{state: "/" + strings.Repeat("x", longestSocket-len(socketName)-1), named: true}
	for _, c := range []struct {
		place  places
		folder folders
		want   string
	}{
		{linux, folders{}, "/run/user/1000/tunneld/tunneld.sock"},
		{bare, folders{}, "/var/tmp/tunneld-1000/tunneld.sock"},
		{linux, folders{system: true}, "/run/tunneld/tunneld.sock"},
		{places{system: "darwin"}, folders{system: true}, "/var/run/tunneld/tunneld.sock"},
		{windows, folders{}, `\\.\pipe\tunneld-S-1-5-21-7`},
		{windows, folders{system: true}, `\\.\pipe\tunneld`},
		{linux, named, "/home/ana/t/state/tunneld.sock"},
		{linux, long, "/run/user/1000/tunneld/554a1b86d4ed1831.sock"},
		{windows, named, `\\.\pipe\tunneld-S-1-5-21-7-3b6b60d5b001ebbd`},
	} {
		if got := c.place.socketOf(c.folder); got != c.want || len(got) > longestSocket {
			t.Errorf("%+v of %+v: %s, want %s", c.folder, c.place, got, c.want)
		}
	}
}
