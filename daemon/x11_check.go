package daemon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/shell"
	"tunneld/x11"
)

// The parts of X11 that a doctor looks at, in this order.
const (
	partDisplay     = "display"
	partCookie      = "cookie"
	partAnswer      = "answer"
	partRestriction = "restriction"
	partServer      = "server"
	partRoundTrip   = "round trip"
	partRemote      = "remote display"
)

// x11Port is the TCP port of display 0.
const x11Port = 6000

// lookLimit bounds how long a command that looks at the server may take.
const lookLimit = 15 * time.Second

// doctor looks at X11, up to the first part that fails.
type doctor struct {
	visit  visit
	asked  control.X11Request
	trials []control.Trial

	seat    seat
	shown   *showing
	session *shell.Session // whose display at the server is there
	there   x11.Display
}

// CheckX11 implements control.Daemon, on the profile's live link.
func (s *Supervisor) CheckX11(ctx context.Context, profile string, r control.X11Request) (control.CheckResult, error) {
	v, err := s.visit(ctx, profile)
	if err != nil {
		return control.CheckResult{}, err
	}
	defer v.leave()
	r.Trusted = r.Trusted || v.profile.X11.Trusted
	d := &doctor{visit: v, asked: r}
	defer d.end()
	d.look()
	if ctx.Err() != nil {
		return control.CheckResult{}, context.Cause(ctx)
	}
	return control.CheckResult{Profile: profile, Trials: d.trials}, nil
}

// part is one thing to look at.
type part struct {
	name string
	try  func() (detail string, err error)
}

// look looks at the display, and where that is good at what the server does for
// it.
func (d *doctor) look() {
	good := d.lookAt([]part{{partDisplay, d.findDisplay}, {partCookie, d.findCookie}, {partAnswer, d.askDisplay}, {partRestriction, d.restrict}})
	if !good {
		return
	}
	d.lookAt([]part{{partServer, d.askServer}, {partRoundTrip, d.goRound}})
	if d.visit.profile.X11.RemoteDisplay > 0 { // it needs nothing of those
		d.lookAt([]part{{partRemote, d.tryRemote}})
	}
}

// lookAt tries one part after the other, up to one that fails.
func (d *doctor) lookAt(parts []part) (good bool) {
	for _, part := range parts {
		detail, err := part.try()
		d.note(part.name, detail, err)
		if err != nil && !errors.Is(err, errSkipped) {
			return false
		}
	}
	return true
}

// errSkipped says that there is nothing to try.
var errSkipped = errors.New("skipped")

func (d *doctor) note(part, detail string, err error) {
	t := control.Trial{Step: fault.X11, Part: part, Verdict: control.Pass, Detail: detail}
	switch {
	case errors.Is(err, errSkipped):
		t.Verdict = control.Skip
	case err != nil:
		t.Verdict, t.Detail = control.Fail, ""
		t.Error = wireError(d.visit.profile.Name, d.visit.explain(err), time.Now())
	}
	d.trials = append(d.trials, t)
}

func (d *doctor) findDisplay() (string, error) {
	at, err := d.visit.tunnel.windows.find(d.visit.ctx, d.visit.profile.X11, d.asked)
	d.seat = at
	return fmt.Sprintf("%v, from %s", at.display, at.from), err
}

func (d *doctor) findCookie() (string, error) {
	auth, err := d.seat.auth(d.visit.ctx)
	if err == nil && auth.Data.IsZero() {
		return "none: the display has to let us in without", nil
	}
	return "one was found", err
}

func (d *doctor) askDisplay() (string, error) {
	auth, err := d.seat.auth(d.visit.ctx)
	if err != nil {
		return "", err
	}
	info, err := x11.Probe(d.visit.ctx, d.seat.display, auth)
	return describeInfo(info), err
}

func describeInfo(info x11.Info) string {
	screens := "1 screen"
	if info.Screens != 1 {
		screens = fmt.Sprintf("%d screens", info.Screens)
	}
	return fmt.Sprintf("%s, release %d, %s", info.Vendor, info.Release, screens)
}

// restrict also makes the display ready for what follows.
func (d *doctor) restrict() (detail string, err error) {
	d.shown, err = d.visit.tunnel.windows.show(d.visit.ctx, d.visit.profile, d.asked, "")
	if err == nil && d.asked.Trusted {
		return "programs are trusted", errSkipped
	}
	return "the display restricts untrusted programs: tried with one", err
}

// displayMark comes before what the server calls the display: a login may print
// things of its own.
const displayMark = "tunneld-display"

// askServer starts a session that stays, and learns what its display is called.
func (d *doctor) askServer() (string, error) {
	spec := shell.Spec{X11: d.shown.request(), Command: "echo " + displayMark + ` "$DISPLAY"; cat`, Timeout: lookLimit}
	session, err := d.visit.start(d.visit.ctx, spec)
	if fault.CodeOf(err) == fault.X11ServerRefused {
		return "", d.whyRefused(err)
	}
	if err != nil {
		return "", err
	}
	d.session = session
	text, err := readMarked(d.visit.ctx, session)
	if err != nil {
		return "", err
	}
	if text == "" {
		return "", fault.New(fault.X11ServerRefused, fault.X11, "the server agrees to forward X11, but sets no DISPLAY")
	}
	d.there, err = x11.ParseDisplay(text)
	return "it forwards X11, as " + fault.Clean(text), err
}

// whyRefused finds out which of the usual reasons it is, as far as a command can
// tell.
func (d *doctor) whyRefused(refused error) error {
	session, err := d.visit.start(d.visit.ctx, shell.Spec{Command: "echo " + displayMark + ` "$(command -v xauth)"`, Timeout: lookLimit})
	if err != nil {
		return refused
	}
	defer session.Close()
	path, err := readMarked(d.visit.ctx, session)
	switch {
	case err != nil:
		return refused
	case path == "":
		return fault.As(refused).WithHint(noXauthHint)
	default:
		return fault.As(refused).WithHint("xauth is there, so set X11Forwarding yes in the server's sshd_config, check that its XAuthLocation is %s, and that the key's line in authorized_keys has neither restrict nor no-X11-forwarding", fault.Clean(path))
	}
}

// readMarked returns what a command prints after the mark.
func readMarked(ctx context.Context, session *shell.Session) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { session.Close() })
	defer stop()
	lines := bufio.NewReader(io.LimitReader(session.Stdout, 64<<10))
	for {
		line, err := lines.ReadString('\n')
		if text, marked := strings.CutPrefix(line, displayMark+" "); marked {
			return strings.TrimSpace(text), nil
		}
		if err != nil {
			return "", fault.New(fault.X11ServerRefused, fault.X11, "the server does not run commands that would tell its display").
				WithHint("ForceCommand in its sshd_config, or command= on the key, may run something else")
		}
	}
}

// goRound goes the whole way, as a program on the server does: to the display
// that the server made, back to this machine, and to the real one.
func (d *doctor) goRound() (string, error) { return d.goThrough(d.there, d.shown.grant.Cookie) }

// goThrough goes the whole way from a display at the server, with its cookie.
func (d *doctor) goThrough(there x11.Display, cookie x11.Cookie) (string, error) {
	began := time.Now()
	conn, err := d.visit.tunnel.link.Dial(d.visit.ctx, "127.0.0.1", x11Port+there.Number, nil, d.visit.hold)
	if fault.CodeOf(err) == fault.TargetDenied {
		return "the server forbids connections to its own ports, which this needs (AllowTcpForwarding, PermitOpen); programs may work", errSkipped
	}
	if err != nil {
		return "", err
	}
	info, err := x11.ProbeOver(d.visit.ctx, conn, there, x11.Auth{Name: magicCookie, Data: cookie})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("through the server in %s: %s", time.Since(began).Round(time.Millisecond), describeInfo(info)), nil
}

// tryRemote looks at the display at the server that stays the same.
func (d *doctor) tryRemote() (string, error) {
	r := d.visit.tunnel.windows.remoteNow()
	if r == nil {
		return "none: tunneld run keeps it", errSkipped
	}
	name := remoteName(r.spec.RemoteDisplay)
	switch state, err := r.status(); {
	case err != nil:
		return "", err
	case state != remoteReady:
		return name + " is not ready yet", errSkipped
	}
	detail, err := d.goThrough(x11.Display{Host: "localhost", Number: r.spec.RemoteDisplay}, r.cookie)
	return name + ", " + detail, err
}

// end lets go of what the look needed.
func (d *doctor) end() {
	if d.session != nil {
		d.session.Close()
	}
	if d.shown != nil {
		d.shown.end()
	}
}
