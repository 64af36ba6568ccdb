//go:build !windows

package control

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"tunneld/fault"
)

// lock is the right to listen on a socket. The kernel takes it back when the
// process ends, however it ends.
type lock struct{ file *os.File }

// takeLock takes the lock of a socket, and writes down who has it.
func takeLock(path string) (*lock, error) {
	file, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, permission(err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = held(path, file)
		}
		return nil, errors.Join(err, file.Close())
	}
	l := &lock{file}
	if err := l.sign(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return l, nil
}

// held says which daemon has the lock.
func held(path string, file *os.File) error {
	owner := "a daemon"
	if pid, err := io.ReadAll(io.LimitReader(file, 20)); err == nil && len(pid) > 0 {
		owner += " (pid " + fault.Clean(strings.TrimSpace(string(pid))) + ")"
	}
	return fault.New(fault.DaemonRunning, "", "%s serves %s already", owner, path).
		WithHint("stop it first, or give this one a folder of its own with --config")
}

func (l *lock) sign() error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return err
}

// release lets the next one in.
func (l *lock) release() error { return errors.Join(l.file.Truncate(0), l.file.Close()) }
