//go:build !windows

package main

import "syscall"

// forbidCoreDumps keeps keys and passphrases out of files that a crash leaves.
func forbidCoreDumps() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return err
	}
	return forbidTracing()
}
