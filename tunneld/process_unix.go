//go:build !windows

package main

import "syscall"

// keepFilesOwn makes what the process writes its account's alone, however it was
// started.
func keepFilesOwn() { syscall.Umask(0o077) }

// forbidCoreDumps keeps keys and passphrases out of files that a crash leaves.
func forbidCoreDumps() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return err
	}
	return forbidTracing()
}
