package identity

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	// lockWait bounds the wait for other programs that hold the file.
	lockWait = 10 * time.Second
	lockPoll = 10 * time.Millisecond
)

// editFile replaces what is in the file at path by what change makes of it, and
// reports whether that differs. A missing file is made, for its owner alone. The
// file is locked against other processes and goroutines that edit it here,
// readers see the old or the new content and never a part, and its mode and
// owner stay. A symbolic link is followed. ssh takes no lock: a line that it adds
// in the same instant can be lost, as between two of its own.
func editFile(path string, change func(data []byte) ([]byte, error)) (changed bool, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return false, err
	}
	path, err = followLinks(path)
	if err != nil {
		return false, err
	}
	lock, err := lockFile(path)
	if err != nil {
		return false, err
	}
	defer unlock(lock)
	data, info, err := readCurrent(path)
	if err != nil {
		return false, err
	}
	out, err := change(bytes.Clone(data))
	if err != nil || bytes.Equal(out, data) {
		return false, err
	}
	return true, replaceFile(path, out, info)
}

// followLinks returns the file that path means, which need not exist.
func followLinks(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		return real, nil
	}
	if _, dangling := os.Lstat(path); dangling == nil {
		return "", err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	return "", err
}

// readCurrent returns the content of a regular file; info is nil when there is
// none.
func readCurrent(path string) (data []byte, info fs.FileInfo, err error) {
	info, err = os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	data, err = readRegular(path, info)
	return data, info, err
}

// lockFile waits until the lock of the file at path is ours; unlock gives it up.
// It is a file beside, for its owner alone: whoever can read a file can lock it,
// and so keep everybody from learning.
func lockFile(path string) (*os.File, error) {
	var lock *os.File
	err := poll(func() (done bool, err error) {
		lock, err = tryLockFile(path + ".lock")
		return lock != nil, err
	})
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return lock, nil
}

// tryLockFile returns nil when another has the lock, or when the file that was
// locked is no longer the one at path, because another removed it meanwhile.
func tryLockFile(path string) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return nil, err
	}
	ok, err := tryLock(f)
	if ok && err == nil {
		mine, err1 := f.Stat()
		current, err2 := os.Lstat(path)
		ok = err1 == nil && err2 == nil && os.SameFile(mine, current)
	}
	if !ok || err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// replaceFile puts data in the place of path in one step, with the mode and
// owner of info, or for the owner alone where info is nil.
func replaceFile(path string, data []byte, info fs.FileInfo) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if info != nil {
		if err = keepOwner(f, info); err != nil { // not by name: it may be another's file by now
			return err
		}
		if err = f.Chmod(info.Mode().Perm()); err != nil {
			return err
		}
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return poll(func() (bool, error) {
		err := os.Rename(f.Name(), path)
		if inUse(err) {
			return false, nil
		}
		return true, err
	})
}

// poll calls try until it is done or errs, at most for lockWait.
func poll(try func() (done bool, err error)) error {
	for end := time.Now().Add(lockWait); ; time.Sleep(lockPoll) {
		done, err := try()
		switch {
		case done || err != nil:
			return err
		case time.Now().After(end):
			return fmt.Errorf("another program has held it for %s", lockWait)
		}
	}
}
