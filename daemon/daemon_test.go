package daemon

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
	"tunneld/link"
	"tunneld/profiles"
)

const patience = 30 * time.Second

// events collects what a supervisor tells.
type events struct {
	mu  sync.Mutex
	all []control.Event
}

func (e *events) add(event control.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

func (e *events) has(fits func(control.Event) bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.all, fits)
}

// supervise runs a supervisor over the profiles until the test ends.
func supervise(t *testing.T, files map[string]string) (*Supervisor, *events) {
	t.Helper()
	told := &events{}
	s := &Supervisor{Loader: loaderOf(t, files), Noted: told.add}
	sshtest.Run(t, s)
	return s, told
}

// loaderOf reads a folder with the profiles.
func loaderOf(t *testing.T, files map[string]string) *profiles.Loader {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, "profiles", name+".toml")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &profiles.Loader{Dir: dir, State: filepath.Join(dir, "state"), Env: profiles.Environment{User: "ana"}}
}

// profileFor leads to d and has a local forward.
func profileFor(d *sshtest.SSHD, listen, target string) string {
	return fmt.Sprintf(`
server = { host = %q, port = %d, user = %q }
auth = { identity_files = [%q], agent = "none" }
host_key = { known_hosts = [%q] }
link = { keepalive = "500ms", reconnect_min = "20ms", reconnect_max = "100ms" }
[[forward.local]]
name = "db"
listen = %q
target = %q
[[forward.remote]]
name = "hook"
listen = "127.0.0.1:0"
target = %q
`, d.Host, d.Port, d.User, d.ClientKey, d.KnownHosts, listen, target, target)
}

func ping(t *testing.T, addr string) {
	t.Helper()
	if err := tryPing(addr); err != nil {
		t.Fatal(err)
	}
}

func tryPing(addr string) error {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "hello")
	_, err = io.ReadFull(c, make([]byte, 5))
	return err
}

func (s *Supervisor) profile(name string) control.Profile {
	for _, p := range s.Status().Profiles {
		if p.Name == name {
			return p
		}
	}
	return control.Profile{}
}

// Ten kills of the server's process leave no goroutine and no descriptor.
func TestTenKillsLeakNothing(t *testing.T) {
	sshtest.Leaks(t)
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	local := sshtest.FreeAddr(t)
	s, _ := supervise(t, map[string]string{"work": profileFor(d, local, echo.Addr)})
	sshtest.Eventually(t, patience, "up", func() bool { return s.profile("work").State == "up" })
	ping(t, local)
	for n := 1; n <= 10; n++ {
		d.KillConnections()
		ping(t, local)
		sshtest.Eventually(t, patience, "both forwards after a kill", func() bool {
			p := s.profile("work")
			return p.Reconnects >= n && p.State == "up" && p.Forwards[1].State == "listening"
		})
		ping(t, s.profile("work").Forwards[1].Bound[0])
	}
	sshtest.Eventually(t, patience, "every connection and byte counted", func() bool { // those of the last may still come
		f := s.profile("work").Forwards
		return f[0].Total == 11 && f[0].BytesToServer == 55 && f[0].BytesFromServer == 55 && f[1].Total == 10
	})
}

// A panic in one profile is told with its stack, and neither that profile's
// retries nor the others end.
func TestPanicStaysInItsProfile(t *testing.T) {
	sshtest.Leaks(t)
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	local, told := sshtest.FreeAddr(t), &events{}
	j := &journal{tell: told.add}
	ctx, cancel := context.WithCancel(context.Background())
	loader := &profiles.Loader{Dir: t.TempDir(), Env: profiles.Environment{User: "ana"}}
	file := filepath.Join(loader.Dir, "work.toml")
	if err := os.WriteFile(file, []byte(profileFor(d, local, echo.Addr)), 0o600); err != nil {
		t.Fatal(err)
	}
	set, problems := loader.LoadFile(file)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	p, _ := set.Profile("work")
	tn := newTunnel(ctx, p, house{journal: j, ledger: newLedger(), gate: &gate{}})
	times := 0
	real := net.Dialer{}
	target := tn.link.Target()
	target.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if times++; times <= 2 {
			panic("boom")
		}
		return real.DialContext(ctx, network, address)
	}
	tn.link.Retarget(target)
	tn.start()
	tn.startForward(p, "db")
	sshtest.Eventually(t, patience, "listening", func() bool { return tn.running()[0].Status().State == "listening" })
	ping(t, local)
	if !told.has(func(e control.Event) bool {
		return e.Level == control.Fault && strings.Contains(e.Detail, "boom") && strings.Contains(e.Detail, "daemon_test.go")
	}) {
		t.Errorf("told %+v", told.all)
	}
	cancel()
	<-tn.stop()
}

// Who hears of a load sees its profiles: the first answer of a daemon must not be
// that there are none.
func TestLoadedSeesTheProfiles(t *testing.T) {
	s := &Supervisor{Loader: loaderOf(t, map[string]string{"work": "start = \"manual\"\nserver.host = \"h\"\n"})}
	ctx, cancel := context.WithCancel(context.Background())
	seen := -1
	s.Loaded = func(profiles.Daemon) { seen = len(s.Status().Profiles); cancel() }
	s.Serve(ctx)
	if seen != 1 {
		t.Errorf("%d profiles, want 1", seen)
	}
}

// Reload after the end, and a status before the beginning, do not hang.
func TestOutsideItsLife(t *testing.T) {
	s := &Supervisor{Loader: &profiles.Loader{Dir: t.TempDir()}}
	if got := s.Status(); len(got.Profiles) != 0 || got.Problems == nil {
		t.Errorf("status %+v", got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Serve(ctx)
	if _, err := s.Reload(context.Background(), control.ReloadOptions{}); err != control.ErrStopping {
		t.Errorf("reload after the end: %v", err)
	}
}

// The journal tells a row of equal failures once, and their number at its end.
func TestJournalCountsRepeats(t *testing.T) {
	told := &events{}
	j := &journal{tell: told.add}
	refused := fault.New(fault.ConnectRefused, fault.Connect, "refused")
	slow := fault.New(fault.ConnectTimeout, fault.Connect, "slow")
	j.link("work", link.Event{State: link.Connecting})
	for _, err := range []error{refused, refused, refused, slow} {
		j.link("work", link.Event{State: link.Waiting, Err: err})
		j.link("work", link.Event{State: link.Connecting})
	}
	j.link("work", link.Event{State: link.Up})
	var got []string
	for _, e := range told.all {
		got = append(got, fmt.Sprintf("%s %s %d", e.State, e.Code, e.Repeats))
	}
	want := []string{"connecting  0", "waiting connect_refused 0", "waiting connect_timeout 2", "up  2"}
	if !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// Logins at one server pass a few at a time; other servers do not wait.
func TestGate(t *testing.T) {
	g, ctx := &gate{}, context.Background()
	var leaves []func()
	for range loginsAtOnce {
		leave, err := g.enter(ctx, "a:22")
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leave)
	}
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if _, err := g.enter(short, "a:22"); err == nil {
		t.Error("one more came in")
	}
	if _, err := g.enter(ctx, "b:22"); err != nil {
		t.Errorf("another server: %v", err)
	}
	leaves[0]()
	if _, err := g.enter(ctx, "a:22"); err != nil {
		t.Errorf("after one left: %v", err)
	}
}

// Connections that fail for two reasons in turn are two lines, and their end is
// one with the count: a client must not decide how fast the log grows.
func TestJournalIsNotFlooded(t *testing.T) {
	told := &events{}
	j := &journal{tell: told.add}
	for range 1000 {
		j.connection("work", "db", fault.New(fault.TargetRefused, fault.Forward, "refused"))
		j.connection("work", "db", fault.New(fault.ListenDenied, fault.Forward, "max_connections"))
	}
	j.connected("work", "db")
	j.connection("work", "db", fault.New(fault.TargetRefused, fault.Forward, "refused"))
	if n := len(told.all); n != 4 || told.all[2].Repeats != 1998 {
		t.Errorf("%d lines: %+v", n, told.all)
	}
}
