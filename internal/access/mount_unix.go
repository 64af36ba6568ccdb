//go:build !windows

package access

import "golang.org/x/sys/unix"

// MountedReadOnly reports whether path is on a read-only mount that somebody
// made for it, as orchestrators do for secrets and settings: who may change it
// is theirs to say. A service that may write nowhere finds everything read-only,
// and others may still write there: that does not count.
func MountedReadOnly(path string) bool {
	return unix.Access(path, unix.W_OK) == unix.EROFS && !onRootMount(path)
}
