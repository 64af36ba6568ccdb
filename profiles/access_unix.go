//go:build !windows

package profiles

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// checkAccess refuses a file or folder of the machine's configuration that
// others than root and this account can change. What is mounted read-only is
// the mounter's to protect.
func checkAccess(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // said by whoever reads it
	}
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	foreign := ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid()
	switch writable := info.Mode().Perm()&0o022 != 0; {
	case !foreign && !writable || unix.Access(path, unix.W_OK) == unix.EROFS:
		return nil
	case foreign:
		return withHint("chown root "+path+", then tunneld reload", "others can change %s: it belongs to uid %d", path, stat.Uid)
	}
	return withHint("chmod go-w "+path+", then tunneld reload", "others can change %s (mode %04o)", path, info.Mode().Perm())
}
