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

// passedSignals are those that shell and exec hand on; what was ignored from the
// start, as under nohup, stays so.
func passedSignals() (all []os.Signal) {
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(s) {
			all = append(all, s)
		}
	}
	return all
}

// signalNumber is POSIX' number of a signal.
func signalNumber(s os.Signal) int {
	n, _ := s.(syscall.Signal)
	return int(n)
}

// defaultTerminal is the type of a terminal that tells none.
const defaultTerminal = "dumb"
