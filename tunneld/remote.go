package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/control"
	"tunneld/internal/terminal"
	"tunneld/shell"
)

// exitRemote is the status of shell and exec where it is tunneld that failed.
const exitRemote = 255

// grace is how long a program may take to end once a signal was passed on to it.
const grace = 5 * time.Second

// remoteExit is the status of a program on a server: the command's own.
type remoteExit int

func (e remoteExit) Error() string { return fmt.Sprintf("status %d", int(e)) }

// remote runs one program on a profile's server for this process.
type remote struct {
	globals *globals
	profile string
	request control.SessionRequest
	// wantTerminal is -t; alwaysTerminal means also where ours is none.
	wantTerminal, alwaysTerminal bool
	escape                       byte
	user, port                   string // what ssh's users give; "" or the profile's own

	stdin          *os.File
	stdout, stderr *os.File
	raw            rawTerminal
	runs           atomic.Bool // the program was started
	end            context.CancelCauseFunc
	resizes        chan control.WindowSize
	signals        chan string
}

// errDisconnected is a person's own ~.
var errDisconnected = errors.New("disconnected")

// run returns a remoteExit unless the program ended with 0.
func (r *remote) run(ctx context.Context) error {
	ctx, r.end = context.WithCancelCause(ctx)
	defer r.end(nil)
	r.stdin, r.stdout, r.stderr = os.Stdin, os.Stdout, os.Stderr
	r.resizes, r.signals = make(chan control.WindowSize, 1), make(chan string, 4)
	defer r.raw.close()
	hasTerminal := isTerminal(r.stdin)
	if r.wantTerminal && (hasTerminal || r.alwaysTerminal) {
		r.request.Terminal = r.terminal(hasTerminal)
	}
	caught := make(chan os.Signal, 4)
	signal.Notify(caught, passedSignals()...)
	defer signal.Stop(caught)
	go r.pass(ctx, caught)
	var exit control.SessionExit
	err := r.globals.examine(ctx, r.profile, func(b backend) (err error) {
		if err := r.isMeant(ctx, b); err != nil {
			return err
		}
		exit, err = b.Session(ctx, r.profile, r.request, r.streams(ctx, b, hasTerminal))
		return err
	})
	r.raw.close()
	if err != nil {
		return r.failed(err)
	}
	return r.ended(exit)
}

// failed is the error of a session that did not end by itself.
func (r *remote) failed(err error) error {
	if bySignal := new(signalled); errors.As(err, &bySignal) {
		return remoteExit(128 + bySignal.number)
	}
	return exitError{err, exitRemote}
}

// ended is the program's end as this command's.
func (r *remote) ended(e control.SessionExit) error {
	end := shell.Exit{Status: e.Status, Signal: ssh.Signal(e.Signal), Core: e.Core, Reason: e.Reason}
	if e.Signal != "" && isTerminal(r.stderr) {
		fmt.Fprintf(r.stderr, "tunneld: %v\n", end.Problem())
	}
	if code := end.Code(); code != 0 {
		return remoteExit(code)
	}
	return nil
}

// terminal describes ours, as far as there is one.
func (r *remote) terminal(has bool) *control.Terminal {
	t := &control.Terminal{Type: os.Getenv("TERM")}
	if t.Type == "" {
		t.Type = defaultTerminal
	}
	if !has {
		return t
	}
	if size, err := terminal.SizeOf(r.stdin); err == nil {
		t.Size = control.WindowSize(size)
	}
	t.Modes = terminal.Modes(r.stdin)
	return t
}

// streams are this process's, with the terminal raw from the start of the
// program on.
func (r *remote) streams(ctx context.Context, b backend, hasTerminal bool) control.SessionStreams {
	s := control.SessionStreams{Stdin: r.stdin, Stdout: r.stdout, Stderr: r.stderr, Resizes: r.resizes, Signals: r.signals}
	s.Started = func() { r.runs.Store(true) }
	if r.request.Terminal == nil || !hasTerminal {
		return s
	}
	s.Stdin = &escapeReader{in: r.stdin, state: escapes{char: r.escape}, act: func(e escapeKey) { r.act(ctx, b, e) }}
	s.Started = func() {
		r.runs.Store(true)
		r.makeRaw()
		go r.watchSize(ctx)
	}
	return s
}

// makeRaw makes the terminal raw.
func (r *remote) makeRaw() {
	if err := r.raw.begin(r.stdin, r.stdout); err != nil {
		r.end(fmt.Errorf("the terminal: %w", err))
	}
}

func (r *remote) watchSize(ctx context.Context) {
	defer r.raw.closeOnPanic()
	terminal.Resizes(ctx, r.stdin, r.resize)
}

// resize keeps the latest size for whoever sends it.
func (r *remote) resize(s terminal.Size) {
	for {
		select {
		case r.resizes <- control.WindowSize(s):
			return
		default:
		}
		select {
		case <-r.resizes:
		default:
		}
	}
}

// act does what a person asks by an escape.
func (r *remote) act(ctx context.Context, b backend, e escapeKey) {
	defer r.raw.closeOnPanic()
	switch e {
	case escapeDisconnect:
		r.end(errDisconnected)
	case escapeHelp:
		io.WriteString(r.stderr, escapeHelpText(r.escape))
	case escapeList:
		r.list(ctx, b)
	case escapeSuspend:
		r.raw.restore()
		if err := terminal.Suspend(); err != nil {
			fmt.Fprintf(r.stderr, "%v\r\n", err)
		}
		r.makeRaw()
		if size, err := terminal.SizeOf(r.stdin); err == nil {
			r.resize(size)
		}
	}
}

// list prints what goes through the profile.
func (r *remote) list(ctx context.Context, b backend) {
	s, err := statusOfBackend(ctx, b)
	if err != nil {
		fmt.Fprintf(r.stderr, "%v\r\n", err)
		return
	}
	var text strings.Builder
	for _, p := range s.Profiles {
		if p.Name == r.profile {
			table{out: &text}.print(control.Status{Profiles: []control.Profile{p}}, time.Now())
		}
	}
	io.WriteString(r.stderr, "\r\n"+strings.ReplaceAll(text.String(), "\n", "\r\n"))
}

// signalled ends a command that got a signal.
type signalled struct {
	name   string
	number int
}

func (s *signalled) Error() string { return "ended by signal " + s.name }

// pass hands signals on to the program. One that does not end within the grace
// period, or at the second signal, is left; so is one whose terminal is gone.
// Before the program runs, the first signal ends the command.
func (r *remote) pass(ctx context.Context, caught <-chan os.Signal) {
	defer r.raw.closeOnPanic()
	var late <-chan time.Time
	var first *signalled
	for {
		select {
		case got := <-caught:
			again := first != nil
			first = describeSignal(got)
			if again || !r.runs.Load() || first.name == string(ssh.SIGHUP) {
				r.end(first)
			}
			select {
			case r.signals <- first.name:
			default:
			}
			late = time.After(grace)
		case <-late:
			r.end(first)
		case <-ctx.Done():
			return
		}
	}
}

func describeSignal(s os.Signal) *signalled {
	for _, name := range []ssh.Signal{ssh.SIGINT, ssh.SIGTERM, ssh.SIGHUP, ssh.SIGQUIT} {
		if n := shell.Number(name); n == signalNumber(s) {
			return &signalled{string(name), n}
		}
	}
	return &signalled{string(ssh.SIGTERM), shell.Number(ssh.SIGTERM)}
}

// backend is what does the work of a command: a daemon's client, or a
// supervisor in this process.
type backend interface {
	examiner
	caller
	copier
}

// caller runs programs and connects, on the live link.
type caller interface {
	Session(ctx context.Context, profile string, r control.SessionRequest, s control.SessionStreams) (control.SessionExit, error)
	Dial(ctx context.Context, profile, target string) (control.Pipe, error)
}

// isMeant refuses a user or port, as ssh's users name them, that is not the
// profile's.
func (r *remote) isMeant(ctx context.Context, b backend) error {
	if r.user == "" && r.port == "" {
		return nil
	}
	s, err := statusOfBackend(ctx, b)
	if err != nil {
		return err
	}
	for _, p := range s.Profiles {
		user, address, _ := strings.Cut(p.Server, "@")
		_, port, _ := net.SplitHostPort(address)
		switch {
		case p.Name != r.profile:
		case r.user != "" && r.user != user:
			return hinted{fmt.Errorf("%s logs in as %s, not as %s", r.profile, user, r.user), "leave the user out: the profile has it"}
		case r.port != "" && r.port != port:
			return hinted{fmt.Errorf("%s connects to port %s, not to %s", r.profile, port, r.port), "leave the port out: the profile has it"}
		}
	}
	return nil
}

// statusOfBackend asks either for the status document.
func statusOfBackend(ctx context.Context, b backend) (control.Status, error) {
	switch b := b.(type) {
	case interface {
		Status(context.Context) (control.Status, error)
	}:
		return b.Status(ctx)
	case interface{ Status() control.Status }:
		return b.Status(), nil
	}
	return control.Status{}, errors.ErrUnsupported
}
