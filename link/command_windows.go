package link

import (
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/windows"
)

// startGroup starts cmd in a job object, which is killed as a whole when the
// context of cmd ends. What cmd starts before it is in the job escapes; that is
// a matter of microseconds. free, to be called right after cmd.Wait, kills what
// is left in the job.
func startGroup(cmd *exec.Cmd) (free func(), err error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return nil, err
	}
	free = sync.OnceFunc(func() {
		windows.TerminateJobObject(job, 1)
		windows.CloseHandle(job)
	})
	cmd.SysProcAttr = &syscall.SysProcAttr{HideWindow: true}
	cmd.Cancel = func() error {
		windows.TerminateJobObject(job, 1)
		return cmd.Process.Kill()
	}
	if err := cmd.Start(); err != nil {
		free()
		return nil, err
	}
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(cmd.Process.Pid))
	if err == nil {
		windows.AssignProcessToJobObject(job, process)
		windows.CloseHandle(process)
	}
	return free, nil
}
