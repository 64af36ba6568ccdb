//go:build !windows

package profiles

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

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
			return fmt.Errorf("keep the owner of %s: %w", from, err)
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
