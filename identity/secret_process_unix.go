//go:build !windows

package identity

import (
	"os/exec"
	"syscall"
)

// runGroup runs cmd in a process group of its own, which ends as a whole when
// the context of cmd does.
func runGroup(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd.Run()
}
