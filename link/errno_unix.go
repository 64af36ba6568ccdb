//go:build !windows

package link

import (
	"errors"
	"syscall"
)

func isRefused(err error) bool  { return errors.Is(err, syscall.ECONNREFUSED) }
func isTimedOut(err error) bool { return errors.Is(err, syscall.ETIMEDOUT) }

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func isUnreachable(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETDOWN) ||
		errors.Is(err, syscall.EADDRNOTAVAIL)
}
