package forward

import "syscall"

// What bind, socket and connect say; package syscall has other numbers under the names
// of Unix.
const (
	errInUse        = syscall.Errno(10048) // WSAEADDRINUSE
	errNotAvailable = syscall.Errno(10049) // WSAEADDRNOTAVAIL
	errNoFamily     = syscall.Errno(10047) // WSAEAFNOSUPPORT
	errRefused      = syscall.Errno(10061) // WSAECONNREFUSED
)
