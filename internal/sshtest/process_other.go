//go:build unix && !linux

package sshtest

import "syscall"

const (
	sigStop     = syscall.SIGSTOP
	sigContinue = syscall.SIGCONT
	sigHangUp   = syscall.SIGHUP
)

func endWithParent() *syscall.SysProcAttr { return nil }
