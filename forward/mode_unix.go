//go:build !windows

package forward

import (
	"io/fs"
	"syscall"
)

// withMode gives a socket its mode before it has a name, so that at no moment
// more may connect, and without the umask, which is the whole process's. macOS
// knows no such thing: there it has what the umask leaves until ListenUnix
// changes it.
func withMode(mode fs.FileMode) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), uint32(mode.Perm())) })
	}
}
