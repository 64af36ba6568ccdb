package main

import (
	"os"
	"syscall"
)

func stopSignals() []os.Signal   { return []os.Signal{os.Interrupt, syscall.SIGTERM} }
func reloadSignals() []os.Signal { return nil } // Windows has none

func ignoreBrokenPipe() {} // Windows has no such signal

func passedSignals() []os.Signal { return stopSignals() }

// signalNumber is POSIX' number of a signal.
func signalNumber(s os.Signal) int {
	if s == os.Interrupt {
		return 2
	}
	return 15
}

// defaultTerminal is what a console understands.
const defaultTerminal = "xterm-256color"
