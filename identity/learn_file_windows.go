package identity

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// noFollow has no meaning here: making a symbolic link needs a privilege.
const noFollow = 0

// tryLock takes the lock of an open file, which lasts until it is closed.
func tryLock(f *os.File) (bool, error) {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	return err == nil, err
}

// unlock gives up the lock. Its file stays: an open one cannot be removed.
func unlock(_ *os.Root, lock *os.File) { lock.Close() }

// keepOwner does nothing: a new file has its owner and rights from the folder.
func keepOwner(*os.File, fs.FileInfo) error { return nil }

// ownedByUs leaves it to the file's access list who may write.
func ownedByUs(fs.FileInfo) bool { return true }
