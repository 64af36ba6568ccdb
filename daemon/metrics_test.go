package daemon

import (
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
	"tunneld/link"
	"tunneld/profiles"
)

// series are the values of a scrape, by name and labels as it writes them, the
// labels in the order of their names; of a histogram the count.
type series map[string]float64

// scrape reads the metrics of s as Prometheus does.
func scrape(t testing.TB, s *Supervisor) series {
	t.Helper()
	w := httptest.NewRecorder()
	s.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("status %d: %v", w.Code, err)
	}
	all := series{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			value := m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			all[name+"{"+strings.Join(labels, ",")+"}"] = value
		}
	}
	return all
}

// want waits until every series has its value.
func (s *Supervisor) want(t *testing.T, what string, want series) {
	t.Helper()
	var got series
	defer func() {
		for key, value := range want {
			if v, found := got[key]; v != value || !found {
				t.Errorf("%s: %s is %v (there: %v), want %v", what, key, v, found, value)
			}
		}
	}()
	sshtest.Eventually(t, patience, what, func() bool {
		got = scrape(t, s)
		for key, value := range want {
			if v, found := got[key]; v != value || !found {
				return false
			}
		}
		return true
	})
}

// save writes a profile of s and reloads; no text removes it.
func (s *Supervisor) save(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(s.Loader.Dir, "profiles", name+".toml")
	err := os.Remove(path)
	if text != "" {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reload(t.Context(), control.ReloadOptions{}); err != nil {
		t.Fatal(err)
	}
}

// Counters never go back, whatever becomes of the link and of the forwards that
// the files name; what the files do not name any more has no series.
func TestCountersGoOn(t *testing.T) {
	sshtest.Leaks(t)
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	local := sshtest.FreeAddr(t)
	text := profileFor(d, local, echo.Addr)
	s, _ := supervise(t, map[string]string{"work": text, "other": "enabled = false\n" + text})
	up := series{`tunneld_link_up{profile="work"}`: 1, `tunneld_forward_up{forward="db",profile="work"}`: 1, `tunneld_forward_up{forward="hook",profile="work"}`: 1}
	total := func(n float64) series {
		return series{
			`tunneld_forward_connections_total{forward="db",profile="work"}`:                   n,
			`tunneld_forward_bytes_total{direction="to_server",forward="db",profile="work"}`:   5 * n,
			`tunneld_forward_bytes_total{direction="from_server",forward="db",profile="work"}`: 5 * n,
			`tunneld_forward_connections{forward="db",profile="work"}`:                         0,
		}
	}
	visit := func(what string, n float64) {
		t.Helper()
		s.want(t, what, up)
		ping(t, local)
		s.want(t, what, total(n))
	}
	visit("at first", 1)
	s.save(t, "work", text+"hold = '9s'\n") // of the remote one
	s.save(t, "work", strings.Replace(text, `name = "db"`, "name = \"db\"\nmax_connections = 7", 1))
	s.want(t, "edited", total(1))
	visit("after an edit of the forward", 2)
	s.save(t, "work", strings.Replace(text, `name = "db"`, "name = \"db\"\nenabled = false", 1))
	s.want(t, "forward disabled", total(2))
	s.save(t, "work", strings.Replace(text, `500ms`, "600ms", 1))
	visit("after an edit of the link", 3)
	for _, action := range []control.Action{control.Down, control.Up} {
		if err := s.Act(t.Context(), action, "work", ""); err != nil {
			t.Fatal(err)
		}
		s.want(t, string(action), total(3))
	}
	visit("after down and up", 4)
	s.save(t, "work", "enabled = false\n"+text)
	s.want(t, "profile disabled", total(4))
	if _, found := scrape(t, s)[`tunneld_link_up{profile="work"}`]; found {
		t.Error("a disabled profile is said to be down")
	}
	s.save(t, "work", "")
	for key := range scrape(t, s) {
		if strings.Contains(key, `"work"`) {
			t.Errorf("removed, and there is still %s", key)
		}
	}
}

// A link that comes back is counted by the code of the loss, failures by
// theirs, and a wait for the link in the histogram. Every name of the table
// occurs, and no other of ours; the registry finds them consistent.
func TestEveryMetric(t *testing.T) {
	sshtest.Leaks(t)
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	local := sshtest.FreeAddr(t)
	text := strings.Replace(profileFor(d, local, echo.Addr), `name = "db"`, "name = \"db\"\nhold = \"60s\"", 1)
	const forbidden = "[x11]\nremote_display = 7\n[shell]\nenabled = false\n"
	s, _ := supervise(t, map[string]string{"work": text, "refusing": profileFor(d, sshtest.FreeAddr(t), "127.0.0.1:1") + forbidden, "bad": "tagret = 1\n"})
	s.want(t, "up", series{`tunneld_link_state{profile="work",state="up"}`: 1, `tunneld_x11_remote_display_up{profile="refusing"}`: 0, `tunneld_profile_problems{}`: 2, `tunneld_config_last_reload_success{}`: 0})
	if n := d.KillConnections(); n == 0 {
		t.Fatal("nothing to kill")
	}
	s.want(t, "back", series{`tunneld_link_reconnects_total{code="closed_by_server",profile="work"}`: 1, `tunneld_link_up{profile="work"}`: 1})
	if err := s.Act(t.Context(), control.Restart, "work", ""); err != nil {
		t.Fatal(err)
	}
	s.want(t, "restarted", series{`tunneld_link_reconnects_total{code="none",profile="work"}`: 1, `tunneld_link_reconnects_total{code="closed_by_server",profile="work"}`: 1})
	ping(t, local)
	pingFails(t, s.profile("refusing").Forwards[0].Listen)
	s.want(t, "one failed", series{`tunneld_forward_failures_total{code="target_refused",forward="db",profile="refusing"}`: 1})
	d.Stop()
	s.want(t, "waiting", series{`tunneld_link_up{profile="work"}`: 0, `tunneld_forward_up{forward="db",profile="work"}`: 1, `tunneld_forward_up{forward="hook",profile="work"}`: 0})
	waited := make(chan error, 1)
	go func() { waited <- tryPing(local) }()
	s.want(t, "one waits", series{`tunneld_forward_connections{forward="db",profile="work"}`: 1})
	d.Start()
	if err := <-waited; err != nil {
		t.Error(err)
	}
	s.want(t, "it went on", series{`tunneld_forward_hold_seconds{forward="db",profile="work"}`: 1, `tunneld_forward_bytes_total{direction="to_server",forward="db",profile="work"}`: 10})
	s.save(t, "bad", "")
	s.want(t, "mended", series{`tunneld_profile_problems{}`: 0, `tunneld_config_last_reload_success{}`: 1})
	sshtest.Eventually(t, patience, "a round trip", func() bool { return scrape(t, s)[`tunneld_link_rtt_seconds{profile="work"}`] > 0 })
	wantTable(t, s)
}

// wantTable compares what s exports with the table.
func wantTable(t *testing.T, s *Supervisor) {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(collector{s})
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, f := range families {
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		got = append(got, fmt.Sprint(f.GetName(), strings.ToLower(f.GetType().String()), labels, f.GetHelp()))
	}
	for _, m := range MetricTable() {
		want = append(want, fmt.Sprint(m.Name, m.Type, slices.Sorted(slices.Values(m.Labels)), m.Help))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("exported\n%s\nthe table\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if problems, err := testutil.GatherAndLint(r); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}

// A link is back only after a loss: not at first, and not after it was stopped
// or had nothing to do.
func TestComebacks(t *testing.T) {
	lost := fault.New(fault.KeepaliveLost, "", "silence")
	for _, c := range []struct {
		states string
		want   string
	}{
		{"connecting up", ""},
		{"connecting waiting connecting up", ""},
		{"connecting up waiting connecting up", "keepalive_lost"},
		{"connecting up waiting connecting refused connecting up", "keepalive_lost"},
		{"connecting up down connecting up", ""},
		{"connecting up idle connecting up", ""},
		{"connecting up waiting idle connecting up", ""},
	} {
		var r comebacks
		var got []string
		for i, state := range strings.Fields(c.states) {
			e := link.Event{State: link.State(state)}
			if i == 2 {
				e.Err = lost
			} else if i > 2 {
				e.Err = fault.New(fault.ConnectRefused, "", "later")
			}
			r.hear(link.Event{Step: fault.Kex})
			if code, back := r.hear(e); back {
				got = append(got, code)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", c.states, got, c.want)
		}
	}
}

// many is a supervisor of 200 profiles with five forwards each.
func many(t testing.TB) *Supervisor {
	s := &Supervisor{Loader: &profiles.Loader{Dir: t.TempDir()}}
	s.init()
	var all []profiles.Profile
	for i := range 200 {
		p := profiles.Profile{Name: fmt.Sprintf("profile-%d", i), Enabled: true}
		for j := range 5 {
			p.Forwards = append(p.Forwards, profiles.Forward{Kind: profiles.Local, Name: fmt.Sprintf("forward-%d", j), Enabled: true})
		}
		all = append(all, p)
	}
	s.set = profiles.NewSet(all...)
	s.ledger.keep(s.set)
	return s
}

// The number of series grows with the forwards, and with nothing else.
func TestManySeries(t *testing.T) {
	ours := 0
	for key := range scrape(t, many(t)) {
		if strings.HasPrefix(key, "tunneld_") {
			ours++
		}
	}
	if want := 3 + 200*(1+len(linkStates)+3) + 1000*(5+4); ours != want {
		t.Errorf("%d series, want %d", ours, want)
	}
}

func BenchmarkScrape(b *testing.B) {
	h, r := many(b).Metrics(), httptest.NewRequest("GET", "/metrics", nil)
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		b.ReportMetric(float64(w.Body.Len()), "bytes/op")
	}
}

// pingFails connects to where a connection is refused at the other end.
func pingFails(t *testing.T, addr string) {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return // it was reset at once
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("read %d bytes", n)
	}
}

// A panic while a scrape is answered fails that scrape, and not the daemon; who
// asked does not get the stack, which is told once.
func TestPanicFailsTheScrape(t *testing.T) {
	s, told := many(t), &events{}
	s.journal.tell = told.add
	s.ledger = nil
	for range 2 {
		w := httptest.NewRecorder()
		s.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		if w.Code != 500 || strings.Contains(w.Body.String(), ".go:") {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	}
	if len(told.all) != 1 || told.all[0].Level != control.Fault || !strings.Contains(told.all[0].Detail, "metrics.go:") {
		t.Errorf("told %+v", told.all)
	}
}
