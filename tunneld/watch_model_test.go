package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"tunneld/control"
	"tunneld/fault"
)

// deaf answers nothing, and keeps what it was asked.
type deaf struct{ asked []string }

func (d *deaf) look() tea.Msg { return nil }

func (d *deaf) act(action control.Action, t target) tea.Cmd {
	d.asked = append(d.asked, string(action)+" "+t.String())
	return nil
}

func (d *deaf) answer(profile string) tea.Cmd {
	d.asked = append(d.asked, "answer "+profile)
	return nil
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// liveAt is a live screen that has seen s.
func liveAt(width, height int, s control.Status) (*live, *deaf) {
	d := &deaf{}
	l := newLive(d)
	l.now = noon
	tell(l, tea.WindowSizeMsg{Width: width, Height: height}, seen{status: s})
	return l, d
}

func tell(l *live, messages ...tea.Msg) {
	for _, m := range messages {
		l.Update(m)
	}
}

// press types keys as terminals send them; a name of several letters is one key.
func press(l *live, keys ...string) {
	special := map[string]tea.KeyPressMsg{
		"up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown}, "enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape},
		"backspace": {Code: tea.KeyBackspace}, "end": {Code: tea.KeyEnd}, "home": {Code: tea.KeyHome},
		"pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown}, "ctrl+u": {Code: 'u', Mod: tea.ModCtrl},
	}
	for _, k := range keys {
		if msg, ok := special[k]; ok {
			l.Update(msg)
			continue
		}
		for _, r := range k {
			l.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
		}
	}
}

// shown is the screen as text, without colours and the blanks at line ends.
func shown(l *live) string {
	lines := strings.Split(ansi.Strip(l.View().Content), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// busy lets traffic flow through work/db for a minute, more and more.
func busy(l *live, s control.Status) {
	for i := range minute {
		s.Profiles[0].Forwards[0].RateToServer = float64(400 * i * i)
		tell(l, seen{status: s}, tick(noon))
	}
	s.Profiles[0].Forwards[0].RateToServer = 1_234_567
	tell(l, seen{status: s})
}

// Screens as people read them, in testdata.
func TestLiveScreens(t *testing.T) {
	for _, size := range [][2]int{{40, 10}, {80, 24}, {200, 60}} {
		s := aStatus(noon)
		l, _ := liveAt(size[0], size[1], s)
		for _, e := range someEvents {
			tell(l, happened(e))
		}
		busy(l, s)
		press(l, "down")
		compareScreen(t, fmt.Sprintf("live-%dx%d", size[0], size[1]), shown(l))
	}
	l, _ := liveAt(80, 12, aStatus(noon))
	press(l, "?")
	compareScreen(t, "live-help", shown(l))
}

// compareScreen compares a screen with the one in testdata.
func compareScreen(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	want, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s:\n%s\nthe screen:\n%s", path, diff, got)
	}
}

var someEvents = []control.Event{
	{Time: noon.Add(-9 * time.Minute), Level: control.Fault, Kind: "link", Profile: "edge", State: "refused", Code: fault.HostKeyChanged, Message: "connection failed"},
	{Time: noon.Add(-8 * time.Minute), Level: control.Debug, Message: "not for people"},
	{Time: noon.Add(-8 * time.Minute), Level: control.Info, Kind: "api", Profile: "work", Message: "request"},
	{Time: noon.Add(-5 * time.Second), Level: control.Warn, Kind: "forward", Profile: "work", Forward: "hook", State: "retrying", Code: fault.RemotePortBusy, Message: "cannot listen", Detail: "port 8080\x1b[31m"},
}

// No size, no text of a peer and no name makes the screen larger than it is, or
// lets a control character through.
func TestLiveScreenFitsEverySize(t *testing.T) {
	s := aStatus(noon)
	wide := strings.Repeat("端口", 30)
	s.Profiles[1].Error.Message = wide + "\x1b]0;title\a\r\n\t" + wide
	s.Profiles[2].Name, s.Profiles[2].Server = wide, wide+"\x9b31m\u202e"
	for _, width := range []int{0, 1, 2, 3, 7, 11, 12, 20, 39, 40, 41, 60, 79, 80, 100, 129, 200} {
		for _, height := range []int{0, 1, 2, 3, 5, 10, 40} {
			l, _ := liveAt(width, height, s)
			tell(l, happened(someEvents[0]), happened(someEvents[2]))
			busy(l, s)
			for _, keys := range []string{"", "end", "?", "?", "/", "端", "enter"} {
				press(l, keys)
				checkFits(t, l, keys)
			}
			tell(l, seen{err: errors.New("away\x1b[2J")})
			checkFits(t, l, "away")
		}
	}
}

func checkFits(t *testing.T, l *live, what string) {
	t.Helper()
	content := l.View().Content
	lines := strings.Split(content, "\n")
	if want := max(l.height, 1); l.width > 0 && len(lines) != want {
		t.Fatalf("%dx%d %s: %d lines", l.width, l.height, what, len(lines))
	}
	for _, line := range lines {
		if ansi.StringWidth(line) > l.width {
			t.Fatalf("%dx%d %s: too wide: %q", l.width, l.height, what, line)
		}
		for _, r := range ansi.Strip(line) {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u202e' {
				t.Fatalf("%dx%d %s: control character in %q", l.width, l.height, what, line)
			}
		}
		if rest := sgr.Replace(line); strings.Contains(rest, "\x1b") {
			t.Fatalf("%dx%d %s: not a colour of ours: %q", l.width, l.height, what, line)
		}
	}
}

// sgr removes the colours that the screen may use.
var sgr = strings.NewReplacer("\x1b[0m", "", "\x1b[2m", "", "\x1b[7m", "", "\x1b[31m", "", "\x1b[32m", "", "\x1b[33m", "")

func TestLiveKeysAct(t *testing.T) {
	l, d := liveAt(80, 24, aStatus(noon))
	press(l, "r", "j", "s", "down", "down", "s", "j", "j", "j", "s", "j", "s", "u", "end", "s", "home", "u", "k", "r", "pgdown", "r")
	want := []string{
		"restart work", "down work/db", "up work/socks", "down work/xterm", "down edge", "answer edge",
		"up off", "restart work", "restart off",
	}
	if diff := cmp.Diff(want, d.asked); diff != "" {
		t.Error(diff)
	}
	press(l, "home", "u")
	if got := shown(l); !strings.Contains(got, "work waits for nobody") {
		t.Errorf("got\n%s", got)
	}
	tell(l, acted{target{profile: "work", forward: "db"}, control.Down, nil})
	if got := shown(l); !strings.Contains(got, "\nstopped work/db  ? help") {
		t.Errorf("got\n%s", got)
	}
	tell(l, acted{target{profile: "work", forward: "db"}, control.Down, fault.New(fault.UnknownProfile, "", "gone\x1b[2J").WithHint("look")})
	if got := shown(l); !strings.Contains(got, "\nunknown_profile: gone [2J; look  ? help") {
		t.Errorf("got\n%s", got)
	}
	for _, k := range []tea.KeyPressMsg{{Code: 'q', Text: "q"}, {Code: 'c', Mod: tea.ModCtrl}} {
		if _, cmd := l.Update(k); cmd == nil || cmd() != tea.Quit() {
			t.Errorf("%s does not quit", k)
		}
	}
}

func TestLiveFilter(t *testing.T) {
	l, d := liveAt(80, 24, aStatus(noon))
	press(l, "end", "/", "DX", "backspace", "q")
	if got := shown(l); !strings.Contains(got, `no name has "Dq" in it`) || !strings.HasSuffix(got, "\n/Dq\n") {
		t.Errorf("got\n%s", got)
	}
	if c := l.View().Cursor; c == nil || c.X != 3 || c.Y != 23 {
		t.Errorf("cursor %+v", c)
	}
	press(l, "r", "ctrl+u", "rk/D", "enter", "j", "r")
	if got := shown(l); strings.Contains(got, "edge") || strings.Contains(got, "hook") || !strings.Contains(got, ">   db") || !strings.Contains(got, "filter: rk/D") {
		t.Errorf("got\n%s", got)
	}
	if diff := cmp.Diff([]string{"restart work/db"}, d.asked); diff != "" {
		t.Error(diff)
	}
	press(l, "esc")
	if got := shown(l); !strings.Contains(got, "edge") {
		t.Errorf("got\n%s", got)
	}
}

// A display has a line to read, and none of the keys is about it alone.
func TestLiveDisplays(t *testing.T) {
	l, d := liveAt(80, 24, aStatus(noon))
	press(l, "/", "x11:7", "enter", "j", "r", "s")
	if got := shown(l); !strings.Contains(got, "\n>   x11:7  retrying ") || !strings.Contains(got, "\nwork/x11:7 starts and stops with work  ") {
		t.Errorf("got\n%s", got)
	}
	if len(d.asked) > 0 {
		t.Errorf("asked for %q", d.asked)
	}
}

// The cursor stays on its row when others come and go, and near its place when
// that row goes.
func TestLiveCursorStays(t *testing.T) {
	s := aStatus(noon)
	s.Profiles[0].X11 = control.X11{}
	l, d := liveAt(80, 24, s)
	press(l, "end", "up", "r")
	s.Profiles[0].Forwards = s.Profiles[0].Forwards[:1]
	tell(l, seen{status: s})
	press(l, "r")
	s.Profiles = s.Profiles[:1]
	tell(l, seen{status: s})
	press(l, "r")
	tell(l, seen{status: control.Status{Config: "/etc/tunneld"}})
	press(l, "r", "s", "u", "j")
	if diff := cmp.Diff([]string{"restart edge", "restart edge", "restart work/db"}, d.asked); diff != "" {
		t.Error(diff)
	}
	if got := shown(l); !strings.HasPrefix(got, "no profiles run from /etc/tunneld\n") {
		t.Errorf("got\n%s", got)
	}
}

// What the cursor is on is on the screen, however many there are.
func TestLiveScrolls(t *testing.T) {
	var s control.Status
	for i := range 200 {
		s.Profiles = append(s.Profiles, control.Profile{Name: fmt.Sprintf("box-%03d", i), State: "up"})
	}
	l, _ := liveAt(80, 24, s)
	for i := range 200 {
		if want := fmt.Sprintf("\n> box-%03d ", i); !strings.Contains(shown(l), want) {
			t.Fatalf("no %s in\n%s", want, shown(l))
		}
		press(l, "j")
	}
}

func TestLiveDaemonGoesAndComes(t *testing.T) {
	s := aStatus(noon)
	l, _ := liveAt(80, 24, s)
	tell(l, tick(noon.Add(time.Second)), seen{err: fault.New(fault.DaemonNotRunning, "", "nobody")})
	if got := shown(l); !strings.HasPrefix(got, "the daemon is away; this was true at 12:00:00\n") || !strings.Contains(got, "  edge") {
		t.Errorf("away:\n%s", got)
	}
	tell(l, tick(noon.Add(2*time.Second)), seen{status: s})
	if got := shown(l); strings.Contains(got, "away") {
		t.Errorf("back:\n%s", got)
	}
}

// A daemon that does not answer is not asked twice.
func TestLiveLooksOnceAtATime(t *testing.T) {
	l, _ := liveAt(80, 24, aStatus(noon))
	if l.look() == nil {
		t.Fatal("does not look")
	}
	if l.look() != nil {
		t.Error("looks while a look is under way")
	}
	tell(l, seen{})
	if l.look() == nil {
		t.Error("does not look again")
	}
}

// Nothing that changed is nothing that is drawn.
func TestLiveDrawsTheSame(t *testing.T) {
	s := aStatus(noon)
	s.Profiles[0].Forwards[1].Since = &noon // ages by the second
	l, _ := liveAt(80, 24, s)
	tell(l, tick(noon.Add(10*time.Minute)), seen{status: s})
	before := l.View()
	tell(l, tick(noon.Add(10*time.Minute+time.Second)), seen{status: s})
	if after := l.View(); after.Content != before.Content {
		t.Errorf("changed:\n%s", cmp.Diff(before.Content, after.Content))
	}
}

func TestSpark(t *testing.T) {
	var h history
	db := target{profile: "work", forward: "db"}
	add := func(n int, perSecond float64, known bool) {
		s := control.Status{Profiles: []control.Profile{{Name: "work", Forwards: []control.Forward{{Name: "db", RateFromServer: perSecond}}}}}
		for range n {
			h.add(s, known)
		}
	}
	wants := func(width int, want string) {
		t.Helper()
		if got := h.spark(db, width); got != want {
			t.Errorf("in %d cells %q, want %q", width, got, want)
		}
	}
	wants(3, "   ")
	add(1, 100, true)
	wants(3, "  █")
	wants(0, "")
	add(2, 1, true)
	wants(60, strings.Repeat(" ", 57)+"█▁▁")
	add(57, 50, true)
	wants(6, "█▄▄▄▄▄")
	add(1, 50, false) // the daemon is away
	wants(6, "█████ ")
	add(60, 50, false)
	wants(6, "      ")
	if h.add(control.Status{}, true); len(h.flows) != 0 {
		t.Errorf("kept %v", h.flows)
	}
}
