package sshtest

import "syscall"

// Windows has no such signals, and no sshd that a test could start: the
// numbers let the package build there for its relay and backends.
const (
	sigStop     = syscall.Signal(19)
	sigContinue = syscall.Signal(18)
	sigHangUp   = syscall.SIGHUP
)

func endWithParent() *syscall.SysProcAttr { return nil }
