//go:build !windows

package identity

import (
	"os"
	"syscall"

	"tunneld/fault"
	"tunneld/internal/access"
)

// checkPermissions refuses a secret file of ours that others can read, as
// OpenSSH does, and anyone's that others than its owner can change; what names
// its contents. Who reads a file of someone else is theirs to say; a read-only
// mount of its own, or in one of places, is exempt: a secret that an orchestrator
// mounted.
func checkPermissions(path, what string, places []string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fault.New(fault.KeyUnreadable, fault.Auth, "%w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	ours, mode := ok && int(stat.Uid) == os.Getuid(), info.Mode().Perm()
	switch {
	case (!ours || mode&0o077 == 0) && mode&0o022 == 0, access.MountedReadOnly(path, places...):
		return nil
	case !ours:
		return fault.New(fault.KeyPermissions, fault.Auth, "others can change the %s %s (mode %04o)", what, path, mode).
			WithHint("chmod go-w %s", path)
	}
	return fault.New(fault.KeyPermissions, fault.Auth, "others can read the %s %s (mode %04o)", what, path, mode).
		WithHint("chmod 600 %s", path)
}
