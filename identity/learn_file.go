package identity

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tunneld/internal/wholefile"
)

const (
	// lockWait bounds the wait for other programs that hold the file.
	lockWait = 10 * time.Second
	lockPoll = 10 * time.Millisecond
)

// editFile replaces what is in the file at path by what change makes of it, and
// reports whether that differs. A missing file is made, for its owner alone: us,
// or for root the account whose folder it is in. The file is locked against other
// processes and goroutines that edit it here, readers see the old or the new
// content and never a part, and its mode and owner stay. A symbolic link is
// followed as [openPlace] says. ssh takes no lock: a line that it adds in the same
// instant can be lost, as between two of its own.
func editFile(path string, change func(data []byte) ([]byte, error)) (changed bool, err error) {
	p, err := openPlace(path)
	if err != nil {
		return false, err
	}
	defer p.folder.Close()
	lock, err := p.lock()
	if err != nil {
		return false, err
	}
	defer unlock(p.folder, lock)
	data, info, err := p.read()
	if err != nil {
		return false, err
	}
	out, err := change(bytes.Clone(data))
	if err != nil || bytes.Equal(out, data) {
		return false, err
	}
	return true, p.replace(out, info)
}

// read returns the content of a regular file; info is nil when there is none.
func (p place) read() (data []byte, info fs.FileInfo, err error) {
	var f *os.File
	err = poll(func() (bool, error) {
		if f, info, err = p.open(p.name, os.O_RDONLY); errors.Is(err, errReplaced) {
			return false, nil
		}
		return true, err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if err := checkReadable(f.Name(), info); err != nil {
		return nil, nil, err
	}
	data, err = io.ReadAll(f)
	return data, info, err
}

// lock waits until the lock of the file is ours; unlock gives it up. It is a file
// beside, for its owner alone: whoever can read a file can lock it, and so keep
// everybody from learning.
func (p place) lock() (*os.File, error) {
	var lock *os.File
	err := poll(func() (done bool, err error) {
		lock, err = p.tryLock(p.name + ".lock")
		return lock != nil, err
	})
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", filepath.Join(p.folder.Name(), p.name), err)
	}
	return lock, nil
}

// tryLock returns nil when another has the lock, or when the file that was
// locked is no longer the one at path, because another removed it meanwhile.
func (p place) tryLock(name string) (*os.File, error) {
	f, err := p.create(name)
	if errors.Is(err, fs.ErrExist) {
		f, _, err = p.open(name, os.O_RDWR)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errReplaced) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ok, err := tryLock(f)
	if ok && err == nil {
		mine, err1 := f.Stat()
		current, err2 := p.folder.Lstat(name)
		ok = err1 == nil && err2 == nil && os.SameFile(mine, current)
	}
	if !ok || err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// replace puts data in the place of the file in one step, with the mode and
// owner of info, or for the owner alone where info is nil.
func (p place) replace(data []byte, info fs.FileInfo) error {
	return wholefile.WriteIn(p.folder, p.name, data, func(f *os.File) error {
		switch {
		case info != nil: // by the open file: the name may be another's by now
			return errors.Join(keepOwner(f, info), f.Chmod(info.Mode().Perm()))
		case p.owner != nil:
			return keepOwner(f, p.owner)
		}
		return nil
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
