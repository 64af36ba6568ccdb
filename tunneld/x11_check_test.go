package main

import (
	"encoding/json"
	"strings"
	"testing"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// doctor runs check --x11 and returns each part with its verdict, and the text of
// the last one.
func (p *process) doctor(args ...string) (verdicts string, last control.Trial) {
	p.t.Helper()
	out, errs, _ := p.ask(append([]string{"check", "--x11", "--json", "work"}, args...)...)
	var doc struct {
		Profiles []struct{ Trials []control.Trial }
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || len(doc.Profiles) != 1 {
		p.t.Fatalf("%v\n%s%s", err, out, errs)
	}
	var parts []string
	for _, trial := range doc.Profiles[0].Trials {
		parts = append(parts, string(trial.Verdict)+" "+trial.Part)
		last = trial
	}
	return strings.Join(parts, ", "), last
}

// The doctor goes the whole way, with a daemon and without, and names what is
// broken and what mends it.
func TestDoctor(t *testing.T) {
	t.Parallel()
	x, open, plain := sshtest.StartXvfb(t), sshtest.StartOpenXvfb(t), startX11SSHD(t)
	const upTo = "pass display, pass cookie, pass answer, "
	for name, c := range map[string]struct {
		d    *sshtest.SSHD
		x11  string
		want string
		code fault.Code
		hint string
	}{
		"good":                        {plain, onDisplay(x), upTo + "pass restriction, pass server, pass round trip", "", ""},
		"trusted":                     {plain, onDisplay(x) + "trusted = true", upTo + "skip restriction, pass server, pass round trip", "", ""},
		"no display":                  {plain, "", "fail display", fault.X11NoDisplay, "tunneld display"},
		"a display that is not there": {plain, "x11.display = ':4077'", "pass display, pass cookie, fail answer", fault.X11DisplayRefused, "x11.xauthority"},
		"an open display":             {plain, onDisplay(open), upTo + "fail restriction", fault.X11SecurityOpen, "-Y once"},
		"X11Forwarding no": {sshtest.StartSSHD(t, "X11Forwarding no"), onDisplay(x),
			upTo + "pass restriction, fail server", fault.X11ServerRefused, "X11Forwarding yes"},
		"no xauth": {sshtest.StartSSHD(t, "X11Forwarding yes", "XAuthLocation /nonexistent/xauth", "SetEnv PATH=/nonexistent"), onDisplay(x),
			upTo + "pass restriction, fail server", fault.X11ServerRefused, "install it there"},
		"ForceCommand": {sshtest.StartSSHD(t, "X11Forwarding yes", "ForceCommand true", "SetEnv HOME="+t.TempDir()), onDisplay(x),
			upTo + "pass restriction, fail server", fault.X11ServerRefused, "ForceCommand"},
		"AllowTcpForwarding no": {sshtest.StartSSHD(t, "X11Forwarding yes", "AllowTcpForwarding no", "SetEnv HOME="+t.TempDir()), onDisplay(x),
			upTo + "pass restriction, pass server, skip round trip", "", ""},
	} {
		p := prepareDaemon(t, map[string]string{"work": server(c.d) + c.x11})
		for _, with := range []string{"no daemon", "a daemon"} {
			if with == "a daemon" {
				p.start()
				p.link(0, "work", "up")
			}
			got, last := p.doctor()
			if got != c.want {
				t.Errorf("%s, %s: %s\nwant %s\n%+v", name, with, got, c.want, last.Error)
			}
			if e := last.Error; c.code != "" && (e == nil || e.Code != c.code || !strings.Contains(e.Hint, c.hint)) {
				t.Errorf("%s, %s: %+v, want %s and %q", name, with, e, c.code, c.hint)
			}
		}
		p.stop()
	}
}

// It tries the display of who asks, and is read by people.
func TestDoctorOnTheCallersDisplay(t *testing.T) {
	x, d := sshtest.StartXvfb(t), startX11SSHD(t)
	p := startDaemon(t, map[string]string{"work": server(d)})
	p.link(0, "work", "up")
	out, err := p.commandOn(x, "check", "--x11", "work").CombinedOutput()
	if text := string(out); err != nil || !strings.Contains(text, "  pass  display      "+x.Display+", from caller\n") || !strings.Contains(text, "  pass  round trip   through the server in ") {
		t.Errorf("%v\n%s", err, out)
	}
}
