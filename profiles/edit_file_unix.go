//go:build !windows

package profiles

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"tunneld/fault"
)

// lockFolder takes the lock of a folder, which lasts until it is closed. It is nil
// where another has it, and where there can be none.
func lockFolder(dir string) (lock *os.File, busy bool) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, false
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR)
	}
	return f, false
}

// keepAccess gives the file at to the owner, the group and the mode of from.
func keepAccess(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	mine, err := os.Stat(to)
	if err != nil {
		return err
	}
	a, isA := info.Sys().(*syscall.Stat_t)
	b, isB := mine.Sys().(*syscall.Stat_t)
	if isA && isB && (a.Uid != b.Uid || a.Gid != b.Gid) {
		if err := os.Chown(to, int(a.Uid), int(a.Gid)); err != nil {
			return fault.New(fault.PermissionDenied, "", "%s belongs to uid %d and gid %d, which would not stay: %w", from, a.Uid, a.Gid, err).
				WithHint("run it as its owner, or as root")
		}
	}
	return os.Chmod(to, info.Mode().Perm())
}

// shareAccess lets the group of temp's folder read it, where root writes into a
// folder that another group may read.
func shareAccess(temp string) error {
	info, err := os.Stat(filepath.Dir(temp))
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || stat.Gid == 0 || info.Mode().Perm()&0o040 == 0 {
		return nil
	}
	return errors.Join(os.Chown(temp, -1, int(stat.Gid)), os.Chmod(temp, 0o640))
}
