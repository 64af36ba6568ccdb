package daemon

import (
	"context"
	"io"
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

// addCookie lets the account's programs at the server know the cookie of a
// display there. Errors have the codes x11_server_refused and session_denied, or
// are the connection's.
func (v visit) addCookie(number int, c x11.Cookie) error {
	said, err := v.xauth(x11.XauthAdd(number, c))
	switch {
	case err != nil:
		return err
	case said.exit.Status == notFound:
		return fault.New(fault.X11ServerRefused, fault.X11, "the server has no xauth").WithHint(noXauthHint)
	case said.exit == shell.Exit{} && x11.XauthLists(said.out, c):
		return nil
	case strings.Contains(said.errs, "xauth:"):
		text := strings.ReplaceAll(said.errs, c.Hex(), "...")
		return fault.New(fault.X11ServerRefused, fault.X11, "the server's xauth, %s: %s", said.exit, fault.Clean(strings.TrimSpace(text))).
			WithHint("the account there must be able to write its ~/.Xauthority")
	default:
		return fault.New(fault.SessionDenied, fault.Session, "the server does not run xauth: %s", said.exit).
			WithHint("ForceCommand in its sshd_config, or command= on the key, may run something else")
	}
}

// removeCookie takes that back.
func (v visit) removeCookie(number int) error {
	_, err := v.xauth(x11.XauthRemove(number))
	return err
}

// sayings is what a program at the server said, and how it ended. The first may
// be secret.
type sayings struct {
	out, errs string
	exit      shell.Exit
}

// xauth has the server's xauth do what its input says.
func (v visit) xauth(input string) (said sayings, err error) {
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
