package link

import (
	"errors"

	"golang.org/x/sys/windows"
)

func isRefused(err error) bool  { return errors.Is(err, windows.WSAECONNREFUSED) }
func isTimedOut(err error) bool { return errors.Is(err, windows.WSAETIMEDOUT) }

func isReset(err error) bool {
	return errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAECONNABORTED)
}

func isUnreachable(err error) bool {
	return errors.Is(err, windows.WSAENETUNREACH) || errors.Is(err, windows.WSAEHOSTUNREACH) || errors.Is(err, windows.WSAENETDOWN) ||
		errors.Is(err, windows.WSAEADDRNOTAVAIL)
}
