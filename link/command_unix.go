//go:build !windows

package link

import (
	"os/exec"
	"syscall"
)

// startGroup starts cmd in a process group of its own, which is killed as a
// whole when the context of cmd ends. free, to be called right after cmd.Wait,
// kills what is left of the group.
func startGroup(cmd *exec.Cmd) (free func(), err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return func() { cmd.Cancel() }, cmd.Start()
}
