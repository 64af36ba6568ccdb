//go:build !linux

package link_test

import (
	"os"
	"syscall"
)

// runs reports that there is such a process.
func runs(pid int) bool {
	p, err := os.FindProcess(pid)
	return err == nil && p.Signal(syscall.Signal(0)) == nil
}
