//go:build !windows

package identity

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"tunneld/fault"
)

// checkPermissions refuses a secret file of ours that others can read, as
// OpenSSH does; what names its contents. A file of someone else, or on a
// read-only mount (a secret that an orchestrator mounted), is theirs to protect.
func checkPermissions(path, what string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fault.New(fault.KeyUnreadable, fault.Auth, "%w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) != os.Getuid() || info.Mode().Perm()&0o077 == 0 || readOnlyMount(path) {
		return nil
	}
	return fault.New(fault.KeyPermissions, fault.Auth, "others can read the %s %s (mode %04o)", what, path, info.Mode().Perm()).
		WithHint("chmod 600 %s", path)
}

func readOnlyMount(path string) bool {
	return unix.Access(path, unix.W_OK) == unix.EROFS
}
