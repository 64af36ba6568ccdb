//go:build !windows

package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"tunneld/fault"
)

// maxSocketPath is what sun_path holds on every system (104 bytes on macOS, 108
// on Linux, with the final zero).
const maxSocketPath = 103

// socket is a listener that holds its lock.
type socket struct {
	net.Listener
	path   string
	shared bool // with a group
	lock   *lock
	once   sync.Once
}

func listen(path string, o ListenOptions) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("listen on %s: the path has %d bytes, a socket's may have %d", path, len(path), maxSocketPath)
	}
	if err := prepareFolder(filepath.Dir(path), o); err != nil {
		return nil, err
	}
	lock, err := takeLock(path)
	if err != nil {
		return nil, err
	}
	l, err := bind(path, o)
	if err != nil {
		return nil, errors.Join(err, lock.release())
	}
	return &socket{Listener: l, path: path, shared: o.Group != "", lock: lock}, nil
}

// Close removes the socket, then lets the next daemon in.
func (s *socket) Close() (err error) {
	s.once.Do(func() { err = errors.Join(s.Listener.Close(), s.lock.release()) })
	return err
}

// admits reports whether p may ask. The modes of the socket and its folder say so
// already; this holds where somebody has loosened them.
func (s *socket) admits(p Peer) bool {
	return s.shared || p.User == "0" || p.User == strconv.Itoa(os.Geteuid())
}

// prepareFolder makes the folder, or checks that only its owner, who is root or
// this account, can put something there.
func prepareFolder(dir string, o ListenOptions) error {
	mode := fs.FileMode(0o700)
	if o.Group != "" {
		mode = 0o755 // the socket's own mode keeps the others out
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return permission(err)
	}
	info, err := os.Lstat(dir) // a link may lead elsewhere the next moment
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fault.New(fault.PermissionDenied, "", "%s is a link, not a folder", dir).
			WithHint("name a socket in a real folder with --socket")
	}
	owner, me := int(info.Sys().(*syscall.Stat_t).Uid), os.Geteuid()
	if owner != 0 && owner != me {
		return fault.New(fault.PermissionDenied, "", "%s belongs to uid %d, not to uid %d", dir, owner, me).
			WithHint("name a socket in a folder of your own with --socket")
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fault.New(fault.PermissionDenied, "", "others can write in %s", dir).
			WithHint("chmod go-w %s, or name a socket in another folder with --socket", dir)
	}
	return nil
}

// bind makes the socket. The caller has the lock, so one that is there belongs
// to a daemon that was killed.
func bind(path string, o ListenOptions) (net.Listener, error) {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, permission(err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("listen on %s: there is a file that is no socket", path)
	default:
		if err := os.Remove(path); err != nil {
			return nil, permission(err)
		}
	}
	config := net.ListenConfig{Control: private}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, permission(err)
	}
	if err := admit(path, o.Group); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// private gives the socket its mode before it has a name, so that at no moment
// others can connect. macOS knows no such thing; there the folder protects it.
func private(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) })
}

// admit sets who may connect: the owner, and the group where it exists.
func admit(path, group string) error {
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	if group == "" {
		return nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return nil // there is none on this machine
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return err
	}
	if err := os.Chown(path, -1, gid); err != nil {
		return nil // an account outside the group cannot give it away: it stays its own
	}
	return os.Chmod(path, 0o660)
}

// permission names the failure that a person can do something about.
func permission(err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fault.New(fault.PermissionDenied, "", "%w", err).
		WithHint("run it as the account that may write there, or name another socket with --socket")
}
