package x11

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"syscall"

	"tunneld/fault"
)

// Dial connects to the display, until ctx ends. A socket of this machine is
// taken only from a server of root, of this process's account or of d.Owner:
// any account may listen under the name of a display that does not run, and
// would be shown the cookie. Over TCP nothing says whose server it is. Errors
// have fault.X11DisplayRefused.
func (d Display) Dial(ctx context.Context) (net.Conn, error) {
	conn, err := d.dial(ctx)
	if err != nil {
		return nil, displayError(d, "%w", err)
	}
	return conn, nil
}

func (d Display) dial(ctx context.Context) (net.Conn, error) {
	switch {
	case d.Host != "":
		return dialNet(ctx, "tcp", d.address(d.Host))
	case d.Socket != "":
		return d.dialSocket(ctx, d.Socket)
	default:
		return d.dialLocal(ctx)
	}
}

// displayError is a refusal of d, with the particulars.
func displayError(d Display, format string, args ...any) *fault.Error {
	return fault.New(fault.X11DisplayRefused, fault.X11, "display %v: "+format, append([]any{d}, args...)...)
}

func dialNet(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, address)
}

// errForeign marks a socket that another account listens at.
var errForeign = errors.New("its server belongs to another account")

// dialSocket connects to a Unix socket whose server may be trusted. A name that
// begins with @ is one of Linux's abstract names.
func (d Display) dialSocket(ctx context.Context, path string) (net.Conn, error) {
	conn, err := dialNet(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	uid, err := peerUID(conn.(*net.UnixConn))
	if err == nil && !d.mayServe(uid, os.Geteuid()) {
		err = &net.OpError{Op: "dial", Net: "unix", Addr: conn.RemoteAddr(), Err: foreign(uid)}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// foreign is an account that may not serve the display.
type foreign int

func (uid foreign) Error() string    { return errForeign.Error() + ", uid " + strconv.Itoa(int(uid)) }
func (foreign) Is(target error) bool { return target == errForeign }

// mayServe says whether an account may answer for the display.
func (d Display) mayServe(uid, self int) bool {
	return uid == 0 || uid == self || uid == d.Owner
}

// peerUID asks the kernel who listens at the other end.
func peerUID(conn syscall.Conn) (uid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	if failed := raw.Control(func(fd uintptr) { uid, err = socketUID(int(fd)) }); failed != nil {
		return 0, failed
	}
	return uid, err
}
