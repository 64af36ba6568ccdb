package forward

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"tunneld/fault"
)

// ListenUnix listens on a socket in the file system, whose folder must exist
// and whose mode says who may connect; Windows has no such mode, there the
// folder decides. Close removes the socket. One that a killed program left
// behind is removed first, when nobody answers on it. Its errors are those of
// [ListenTCP].
//
// A Unix socket cannot be reset: a client that is cut sees the end of the
// stream, and cannot tell it from a stream that was complete.
func ListenUnix(ctx context.Context, path string, mode fs.FileMode) (net.Listener, error) {
	return ListenUnixBy(ctx, nil, path, mode)
}

// ListenUnixBy is ListenUnix with a socket that listen opens, such as one of an
// earlier process; nil is the system.
func ListenUnixBy(ctx context.Context, listen ListenFunc, path string, mode fs.FileMode) (net.Listener, error) {
	if listen == nil {
		listen = listenAnew
	}
	ln, err := bindUnix(ctx, listen, path, mode)
	if errors.Is(err, errInUse) && removeStale(ctx, path) {
		ln, err = bindUnix(ctx, listen, path, mode)
	}
	if err == nil {
		return ln, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, unixFault(path, err)
}

func bindUnix(ctx context.Context, listen ListenFunc, path string, mode fs.FileMode) (net.Listener, error) {
	ln, err := listen(ctx, &net.ListenConfig{Control: withMode(mode)}, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil { // what the umask took away
		shut(ln)
		return nil, err
	}
	return ln, nil
}

// removeStale removes a socket that nobody answers on, and reports that it did.
func removeStale(ctx context.Context, path string) bool {
	before, err := os.Lstat(path)
	if err != nil || before.Mode().Type() != fs.ModeSocket {
		return false
	}
	conn, err := DialUnix(ctx, path)
	if err == nil {
		shut(conn)
	}
	if !errors.Is(err, errRefused) {
		return false
	}
	// Another program may have made it anew meanwhile.
	after, err := os.Lstat(path)
	return err == nil && os.SameFile(before, after) && os.Remove(path) == nil
}

func unixFault(path string, err error) error {
	e := fault.New(fault.ListenDenied, fault.Forward, "%w", err)
	switch {
	case errors.Is(err, errInUse) && !isSocket(path):
		return fault.New(fault.ListenInUse, fault.Forward, "%w", err).
			WithHint("%s is there, and no socket: remove it, or choose another path", path)
	case errors.Is(err, errInUse):
		return fault.New(fault.ListenInUse, fault.Forward, "%w", err).
			WithHint("another program answers on %s: end it, or choose another path", path)
	case errors.Is(err, fs.ErrNotExist):
		return e.WithHint("the folder %s must exist: make it, or choose another path", filepath.Dir(path))
	case errors.Is(err, fs.ErrPermission):
		return e.WithHint("the account that runs tunneld may not write in %s", filepath.Dir(path))
	case len(path) > maxSocketPath:
		return e.WithHint("the path has %d bytes, a socket's may have %d", len(path), maxSocketPath)
	}
	return e
}

func isSocket(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().Type() == fs.ModeSocket
}

// maxSocketPath is what sun_path holds on every system (104 bytes on macOS, 108
// on Linux, with the final zero).
const maxSocketPath = 103

// DialUnix connects to a socket in the file system. Its errors are those of
// [DialTCP].
func DialUnix(ctx context.Context, path string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, ctx.Err()
	case errors.Is(err, fs.ErrPermission):
		return nil, fault.New(fault.TargetRefused, fault.Forward, "%w", err).
			WithHint("the account that runs tunneld may not use the socket: check its mode and owner")
	}
	return nil, dialFault(err)
}
