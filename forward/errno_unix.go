//go:build !windows

package forward

import "syscall"

// What bind and socket say.
const (
	errInUse        = syscall.EADDRINUSE
	errNotAvailable = syscall.EADDRNOTAVAIL
	errNoFamily     = syscall.EAFNOSUPPORT
)
