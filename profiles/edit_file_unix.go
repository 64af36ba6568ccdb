//go:build !windows

package profiles

import (
	"fmt"
	"os"
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
