package daemon

import (
	"context"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"tunneld/fault"
	"tunneld/shell"
	"tunneld/x11"
)

const (
	xauthLimit  = 30 * time.Second // another xauth may have the file for a while
	xauthOutput = 64 << 10         // bytes, above what it has to say
	notFound    = 127              // the status of a POSIX shell that finds no such command
)

// noXauthHint says what to do about a server without the program.
const noXauthHint = "xauth is not on the PATH of the server: install it there (Debian: apt install xauth)"

// noSuchCommand is what a shell says that has another status for it, such as tcsh.
var noSuchCommand = regexp.MustCompile(`(?i)xauth.*not found|not found.*xauth`)

// cookieLike is what may be a cookie, which nobody is told.
var cookieLike = regexp.MustCompile(`(?i)[0-9a-f]{32,}`)

// addCookie lets the account's programs at the server know the cookie of a
// display there, unless they know one for a display of that number which is
// another's. Errors have the codes x11_server_refused and session_denied, or are
// the connection's.
func (v visit) addCookie(number int, c x11.Cookie) error {
	listed, err := v.xauth(x11.XauthList(number), number)
	if err != nil {
		return err
	}
	if hasOther(listed, c) {
		return fault.New(fault.X11ServerRefused, fault.X11, "the account has a cookie for another display unix:%d at the server", number).
			WithHint("set x11.remote_display to a number that no display there has; where unix:%d is none any more, run there: xauth remove unix:%[1]d", number)
	}
	listed, err = v.xauth(x11.XauthAdd(number, c), number)
	if err == nil && !slices.ContainsFunc(listed, c.Equal) {
		return notXauth(shell.Exit{})
	}
	return err
}

// removeCookie takes that back, unless another's has its place by now.
func (v visit) removeCookie(number int, c x11.Cookie) error {
	listed, err := v.xauth(x11.XauthList(number), number)
	if err != nil || len(listed) == 0 || hasOther(listed, c) {
		return err
	}
	_, err = v.xauth(x11.XauthRemove(number), number)
	return err
}

func hasOther(listed []x11.Cookie, c x11.Cookie) bool {
	return slices.ContainsFunc(listed, func(l x11.Cookie) bool { return !l.Equal(c) })
}

// xauth has the server's xauth do what its input says, and returns what it then
// lists of a display.
func (v visit) xauth(input string, number int) ([]x11.Cookie, error) {
	said, err := v.runXauth(input)
	switch {
	case err != nil:
		return nil, err
	case said.exit == shell.Exit{}:
		return x11.XauthListed(said.out, number), nil
	case said.exit.Status == notFound || noSuchCommand.MatchString(said.errs):
		return nil, fault.New(fault.X11ServerRefused, fault.X11, "the server has no xauth").WithHint(noXauthHint)
	case strings.Contains(said.errs, "xauth:"):
		return nil, fault.New(fault.X11ServerRefused, fault.X11, "the server's xauth, %s: %s", said.exit, fault.Clean(cookieLike.ReplaceAllString(strings.TrimSpace(said.errs), "..."))).
			WithHint("the account there must be able to write its ~/.Xauthority")
	default:
		return nil, notXauth(said.exit)
	}
}

func notXauth(exit shell.Exit) error {
	return fault.New(fault.SessionDenied, fault.Session, "the server does not run xauth: %s", exit).
		WithHint("ForceCommand in its sshd_config, or command= on the key, may run something else")
}

// sayings is what a program at the server said, and how it ended. The first may
// be secret.
type sayings struct {
	out, errs string
	exit      shell.Exit
}

// runXauth runs the server's xauth.
func (v visit) runXauth(input string) (said sayings, err error) {
	ctx, cancel := context.WithTimeoutCause(v.ctx, xauthLimit, fault.New(fault.X11ServerRefused, fault.X11, "the server's xauth takes longer than %s", xauthLimit))
	defer cancel()
	session, err := v.start(ctx, shell.Spec{Command: x11.XauthCommand, Timeout: xauthLimit})
	if err != nil {
		return said, err
	}
	defer session.Close()
	stop := context.AfterFunc(ctx, func() { session.Close() })
	defer stop()
	var reads sync.WaitGroup
	reads.Go(func() { said.out = readAtMost(session.Stdout) })
	reads.Go(func() { said.errs = readAtMost(session.Stderr) })
	_, _ = io.WriteString(session.Stdin, input) // what becomes of it, the program tells
	_ = session.Stdin.Close()
	reads.Wait()
	said.exit, err = session.Wait(ctx)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return said, err
}

// readAtMost returns the beginning of what r has, to the end of which it reads.
func readAtMost(r io.Reader) string {
	text, _ := io.ReadAll(io.LimitReader(r, xauthOutput))
	_, _ = io.Copy(io.Discard, r)
	return string(text)
}
