//go:build !windows

package profiles

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"tunneld/internal/access"
)

// checkWay refuses a folder that others than root and this account can put
// another in place of: those above it count. Where each has only its own, as in
// /tmp, they cannot.
func checkWay(dir string) error {
	for above := filepath.Dir(dir); ; above = filepath.Dir(above) {
		if err := checkAccess(above, dir); err != nil && !isSticky(above) {
			return err
		}
		if above == filepath.Dir(above) {
			return nil
		}
	}
}

// isSticky reports whether in root's folder nobody can rename what is another's.
func isSticky(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == 0 && info.Mode()&fs.ModeSticky != 0
}

// checkAccess refuses a file or folder of the machine's configuration that
// others than root and this account can change. What is mounted read-only at the
// configuration folder, or in it, is the mounter's to protect.
func checkAccess(path, configuration string) error {
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
	case !foreign && !writable || access.MountedReadOnly(path, configuration):
		return nil
	case foreign:
		return withHint("chown root "+path+", then tunneld reload", "others can change %s: it belongs to uid %d", path, stat.Uid)
	}
	return withHint("chmod go-w "+path+", then tunneld reload", "others can change %s (mode %04o)", path, info.Mode().Perm())
}
