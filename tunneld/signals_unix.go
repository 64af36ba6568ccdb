//go:build !windows

package main

import (
	"os"
	"os/signal"
	"syscall"
)

func stopSignals() []os.Signal   { return []os.Signal{os.Interrupt, syscall.SIGTERM} }
func reloadSignals() []os.Signal { return []os.Signal{syscall.SIGHUP} }

// ignoreBrokenPipe keeps the daemon alive when the reader of its log is gone:
// else Go ends a process that writes to a broken stderr.
func ignoreBrokenPipe() { signal.Ignore(syscall.SIGPIPE) }
