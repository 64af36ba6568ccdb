package main

import (
	"os"
	"syscall"
)

func stopSignals() []os.Signal   { return []os.Signal{os.Interrupt, syscall.SIGTERM} }
func reloadSignals() []os.Signal { return nil } // Windows has none

func ignoreBrokenPipe() {} // Windows has no such signal
