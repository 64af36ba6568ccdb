//go:build !windows

package identity

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// noFollow refuses to open a symbolic link: a lock is made where it is named.
const noFollow = unix.O_NOFOLLOW

// tryLock takes the lock of an open file, which lasts until it is closed. flock
// works on a network file system too.
func tryLock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return err == nil, err
}

// unlock gives up the lock and leaves nothing behind, that another account might
// not be allowed to open. Who locks the removed file sees that it is not there.
func unlock(folder *os.Root, lock *os.File) {
	folder.Remove(filepath.Base(lock.Name()))
	lock.Close()
}

// keepOwner gives the open file f the owner and group of info.
func keepOwner(f *os.File, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return f.Chown(int(stat.Uid), int(stat.Gid))
}

// ownedByUs reports whether the file belongs to the account that we run as.
func ownedByUs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
