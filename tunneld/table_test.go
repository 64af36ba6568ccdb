package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"tunneld/control"
	"tunneld/fault"
)

// aStatus has one of everything that a table shows.
func aStatus(now time.Time) control.Status {
	ago := func(d time.Duration) *time.Time { t := now.Add(-d); return &t }
	rtt := 12.4
	return control.Status{
		Config: "/etc/tunneld",
		Profiles: []control.Profile{
			{Name: "work", State: "up", Since: ago(133 * time.Minute), Server: "ana@bastion.example.com:22", RTT: &rtt, Forwards: []control.Forward{
				{Name: "db", Kind: "local", State: "listening", Since: ago(133 * time.Minute), Listen: "localhost:5432", Target: "db.internal:5432", Active: 3, RateToServer: 1_234_567, RateFromServer: 340_000},
				{Name: "hook", Kind: "remote", State: "retrying", Since: ago(5 * time.Second), Listen: "localhost:8080", Target: "localhost:3000",
					Error: &control.Error{Code: fault.RemotePortBusy, Message: "port 8080 is taken", Hint: "it is tried again until it is free"}},
				{Name: "socks", Kind: "dynamic", State: "stopped", Listen: "localhost:1080"},
			}, X11: control.X11{
				State: "ready", Display: ":0", From: "handed", Active: 2, Refused: 1, Refusals: map[fault.Code]uint64{fault.X11Expired: 1},
				Remote: &control.RemoteDisplay{Display: "localhost:7", State: "retrying", Since: ago(5 * time.Second), Active: 3,
					Error: &control.Error{Code: fault.RemotePortBusy, Message: "port 6007 is taken", Hint: "choose another x11.remote_display"}},
				Apps: []control.App{{Name: "xterm", State: "running", Since: ago(time.Hour), Running: 2, Exit: "status 1"}},
			}},
			{Name: "edge", State: "refused", Since: ago(9 * time.Minute), Server: "ana@edge:22", RetryAt: ago(-61 * time.Second), RunningVersion: "last_good",
				Error: &control.Error{Code: fault.HostKeyChanged, Message: "the server shows another key, SHA256:0123456789012345678901234567890123456789012, and not the one in known_hosts", Hint: "compare with the administrator"}},
			{Name: "off", State: "disabled", Server: "ana@off:22"},
		},
		Problems: []control.Problem{{File: "profiles/lab.toml", Line: 7, Column: 1, Key: "forward.local[0].tagret", Message: "unknown key", Hint: "did you mean target?"}},
	}
}

const plainTable = `
NAME     STATE      SINCE  ROUTE                                OPEN
work     up         2h13m  ana@bastion.example.com:22  12.4 ms
  db     listening  2h13m  localhost:5432 → db.internal:5432       3
        1.2 MB/s to the server, 340 kB/s from the server
  hook   retrying   5s     localhost:3000 ← localhost:8080         0
        remote_port_busy: port 8080 is taken
        hint: it is tried again until it is free
  socks  stopped    -      localhost:1080                          0
  x11    ready             :0, handed over                         2
        1 window refused: x11_expired 1
  x11:7  retrying   5s     localhost:7 at the server               3
        remote_port_busy: port 6007 is taken
        hint: choose another x11.remote_display
  xterm  running    1h0m   status 1                                2
edge     refused    9m     host_key_changed, next try at 12:01
        the server shows another key, SHA256:0123456789012345678901234567890123456789012, and not the one in known_hosts
        hint: compare with the administrator
        the file has problems: the last good version runs
off      disabled   -      ana@off:22
profiles/lab.toml:7:1: forward.local[0].tagret: unknown key
        hint: did you mean target?
`

const narrowTable = `
NAME     STATE      SINCE  ROUTE                       OPEN
work     up         2h13m  ana@bastion.example.com:22  12.…
        ana@bastion.example.com:22 12.4 ms
  db     listening  2h13m  localhost:5432 → db.inter…     3
        1.2 MB/s to the server, 340 kB/s from the server
  hook   retrying   5s     localhost:3000 ← localhos…     0
        remote_port_busy: port 8080 is taken
        hint: it is tried again until it is free
  socks  stopped    -      localhost:1080                 0
  x11    ready             :0, handed over                2
        1 window refused: x11_expired 1
  x11:7  retrying   5s     localhost:7 at the server      3
        remote_port_busy: port 6007 is taken
        hint: choose another x11.remote_display
  xterm  running    1h0m   status 1                       2
edge     refused    9m     host_key_changed, next try at 1…
        host_key_changed, next try at 12:01
        the server shows another key,
        SHA256:0123456789012345678901234567890123456789012,
        and not the one in known_hosts
        hint: compare with the administrator
        the file has problems: the last good version runs
off      disabled   -      ana@off:22
profiles/lab.toml:7:1: forward.local[0].tagret: unknown key
        hint: did you mean target?
`

func TestTable(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		width int
		want  string
	}{{0, plainTable}, {59, narrowTable}} {
		var b strings.Builder
		table{out: &b, width: c.width}.print(aStatus(now), now)
		if diff := cmp.Diff(c.want[1:], b.String()); diff != "" {
			t.Errorf("width %d:\n%s", c.width, diff)
		}
	}
}

// No name, state or text of words makes a line wider than the terminal.
func TestTableFits(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	word := func(most int) string {
		return strings.Repeat([]string{"a", "端", "é"}[random.IntN(3)], 1+random.IntN(most/2))
	}
	states := []string{"up", "connecting", "listening", "retrying", "refused", "blocked", "disabled", "idle"}
	for range 500 {
		s := aStatus(noon)
		for i := range s.Profiles {
			p := &s.Profiles[i]
			p.Name, p.Server, p.State = word(80), word(99), states[random.IntN(len(states))]
			p.Error = &control.Error{Code: fault.HandshakeTimeout, Message: word(60) + " " + word(60) + " " + word(60), Hint: word(60)}
			for j := range p.Forwards {
				f := &p.Forwards[j]
				f.Name, f.Listen, f.Target, f.State = word(80), word(99), word(99), states[random.IntN(len(states))]
				f.Error, f.Active = p.Error, random.IntN(100_000)
			}
		}
		for _, width := range []int{72, 80, 132} {
			var b strings.Builder
			table{out: &b, width: width}.print(s, noon)
			for line := range strings.Lines(b.String()) {
				if n := ansi.StringWidth(strings.TrimSuffix(line, "\n")); n > width {
					t.Fatalf("%d cells of %d:\n%s", n, width, line)
				}
			}
		}
	}
}

// Colours change nothing but the colour.
func TestTableColours(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var b strings.Builder
	table{out: &b, color: true}.print(aStatus(now), now)
	plain := b.String()
	for _, code := range []string{"2", "31", "32", "33", "0"} {
		if !strings.Contains(plain, "\x1b["+code+"m") {
			t.Errorf("no colour %s", code)
		}
		plain = strings.ReplaceAll(plain, "\x1b["+code+"m", "")
	}
	if plain != plainTable[1:] {
		t.Errorf("got\n%s", plain)
	}
	b.Reset()
	printTable(&b, control.Status{Config: "/etc/tunneld"}, now)
	if b.String() != "no profiles run from /etc/tunneld\n" {
		t.Errorf("empty: %q", b.String())
	}
}

func TestNotUp(t *testing.T) {
	user := "user"
	s := control.Status{Profiles: []control.Profile{
		{Name: "up", State: "up", Forwards: []control.Forward{{Name: "a", State: "listening"}, {Name: "b", State: "retrying"}, {Name: "c", State: "stopped"}}},
		{Name: "off", State: "disabled"},
		{Name: "idle", Start: "on-demand", State: "idle"},
		{Name: "wanted", Start: "on-demand", State: "waiting"},
		{Name: "manual", Start: "manual", State: "up", Forwards: []control.Forward{{Name: "a", State: "retrying"}}},
		{Name: "stopped", State: "down", StoppedBy: &user},
		{Name: "down", Start: "always", State: "down"},
		{Name: "asks", Start: "always", State: "blocked"},
		{Name: "far", State: "up", X11: control.X11{Remote: &control.RemoteDisplay{Display: "localhost:7", State: "retrying"}}},
		{Name: "near", State: "up", X11: control.X11{Remote: &control.RemoteDisplay{Display: "localhost:7", State: "ready"}}},
	}, Problems: []control.Problem{
		{File: "profiles/up.toml"}, {File: "profiles/bad.toml"}, {File: "profiles/bad.toml"}, {File: "profiles/meh.toml", Warning: true}, {File: "daemon.toml"},
	}}
	if got, want := notUp(s), []string{"up/b", "down", "asks", "far/x11:7", "bad"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLatency(t *testing.T) {
	for ms, want := range map[float64]string{0.247: "0.247 ms", 12.4: "12.4 ms", 640: "640 ms", 999.6: "1.0 s", 1234.5: "1.2 s", 61_000: "61.0 s"} {
		if got := latency(ms); got != want {
			t.Errorf("%v: %q, want %q", ms, got, want)
		}
	}
}

func TestRate(t *testing.T) {
	for perSecond, want := range map[float64]string{
		0.6: "1 B/s", 999.4: "999 B/s", 999.6: "1.0 kB/s", 9_949: "9.9 kB/s", 9_960: "10 kB/s", 999_499: "999 kB/s",
		999_500: "1.0 MB/s", 12_345_678: "12 MB/s", 2.5e9: "2.5 GB/s", 1234e9: "1234 GB/s",
	} {
		if got := rate(perSecond); got != want {
			t.Errorf("%v: %q, want %q", perSecond, got, want)
		}
	}
}

// Connections that could not be relayed are told below their forward.
func TestTableCountsFailures(t *testing.T) {
	f := control.Forward{Name: "db", Failed: 3, Failures: map[fault.Code]uint64{fault.TargetRefused: 2, fault.ListenDenied: 1}}
	if got, want := forwardRow("work", f, time.Now()).notes, []string{"3 connections failed: listen_denied 1, target_refused 2"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// What is down says how to have it up.
func TestStoppedSaysHowToStart(t *testing.T) {
	for by, want := range map[string]string{"user": "stopped, until tunneld up lab", "manual": "manual, until tunneld up lab", "moon": "until tunneld up lab"} {
		if got := profileRow(control.Profile{Name: "lab", State: "down", Server: "h:22", StoppedBy: &by}, time.Now()).cells[3]; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A remote forward listens where the profile says, unless the server picked the port.
func TestRemoteRoute(t *testing.T) {
	for _, c := range []struct{ listen, bound, want string }{
		{"localhost:0", "localhost:40123", "localhost:3000 ← localhost:40123"},
		{"unix:/run/x", "/run/x", "localhost:3000 ← unix:/run/x"},
	} {
		f := control.Forward{Kind: "remote", Listen: c.listen, Bound: []string{c.bound}, Target: "localhost:3000"}
		if got := forwardRow("work", f, time.Now()).cells[3]; got != c.want {
			t.Errorf("%s: %s", c.listen, got)
		}
	}
}
