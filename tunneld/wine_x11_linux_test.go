package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// tcpDisplay is the [x11] of a profile for an X server as those for Windows are:
// it listens at a port of this machine, and nowhere else for us.
func tcpDisplay(x *sshtest.Xvfb) string {
	return fmt.Sprintf("[x11]\ndisplay = \"127.0.0.1:%d\"\nxauthority = %q\n", x.Number, x.Authority)
}

// listed is the status of a profile, as the program tells it.
func (p *process) listed(profile string) control.Profile {
	p.t.Helper()
	out, errs, _ := p.tunneld("", "status", "--json", profile)
	var s control.Status
	if err := json.Unmarshal([]byte(out), &s); err != nil || len(s.Profiles) != 1 {
		p.t.Fatalf("status: %v\n%s%s", err, out, errs)
	}
	return s.Profiles[0]
}

// Windows' programs show remote windows on an X server at a port: one with
// cookies restricts what is not trusted, one that lets all of this machine in
// does not, and is found out.
func TestWindowsX11(t *testing.T) {
	t.Parallel()
	d := startX11SSHD(t)
	x, open := sshtest.StartXvfb(t, "-listen", "tcp"), sshtest.StartOpenXvfb(t, "-listen", "tcp")
	apps := appEntry("clock", "xclock -title clock") + appEntry("info", "xdpyinfo -queryExtensions")
	p := onWindows(t, map[string]string{
		"closed": onDrive(server(d)+tcpDisplay(x)) + apps,
		"open":   onDrive(server(d)+tcpDisplay(open)) + apps,
		"usual":  onDrive(server(d)) + apps,
	})
	p.start()
	for _, profile := range []string{"closed", "open", "usual"} {
		p.link(0, profile, "up")
	}
	launch := func(profile string, flags ...string) (string, int) {
		_, errs, status := p.tunneld("", append(append([]string{"launch"}, flags...), profile)...)
		return errs, status
	}
	if errs, status := launch("closed/clock"); status != 0 {
		t.Fatal(errs)
	}
	awaitWindows(t, x, "clock", 1)
	if errs, status := launch("closed/info"); status != 0 {
		t.Fatal(errs)
	}
	p.says(0, "number of extensions: 2")
	if out, errs, status := p.tunneld("", "x11", "-Y", "closed", "--", "sh", "-c", "xdpyinfo | grep -c GLX; exit 7"); status != 7 || out == "0\n" {
		t.Errorf("x11: %d %s%s", status, out, errs)
	}
	if errs, status := launch("open/clock"); status != 1 || !strings.Contains(errs, string(fault.X11SecurityOpen)) || !strings.Contains(errs, "-Y once") {
		t.Errorf("%d %s", status, errs)
	}
	if errs, status := launch("open/clock", "-Y"); status != 0 {
		t.Error(errs)
	}
	awaitWindows(t, open, "clock", 1)
	launch("usual/clock")
	if q := p.listed("usual"); q.X11.Display != "127.0.0.1:0" || q.X11.From != "default" {
		t.Errorf("the display is %q, from %q", q.X11.Display, q.X11.From)
	}
}

// The port where X servers for Windows listen may be someone else's desk, on a
// terminal server: the machine's daemon does not show it anything.
func TestWindowsMachinesDaemonHasNoDisplay(t *testing.T) {
	t.Parallel()
	d := startX11SSHD(t)
	p := onWindows(t, map[string]string{"work": onDrive(server(d)) + appEntry("clock", "xclock")})
	p.startAs(p.program("run", "--system"))
	p.link(0, "work", "up")
	if _, errs, status := p.tunneld("", "launch", "work/clock"); status != 1 || !strings.Contains(errs, string(fault.X11NoDisplay)) {
		t.Errorf("%d %s", status, errs)
	}
}
