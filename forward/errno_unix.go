//go:build !windows

package forward

import "syscall"

// What bind, socket and connect say.
const (
	errInUse        = syscall.EADDRINUSE
	errNotAvailable = syscall.EADDRNOTAVAIL
	errNoFamily     = syscall.EAFNOSUPPORT
	errRefused      = syscall.ECONNREFUSED
)
