package trigger

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// inside says that this process has a network namespace of its own.
const inside = "TRIGGER_TEST_INSIDE"

// TestMain runs the tests in a network namespace of their own, which is quiet
// and may be changed at will.
func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "ip: %v: %s: run: make deps\n", err, out)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	again := exec.Command(os.Args[0], os.Args[1:]...)
	again.Env = append(os.Environ(), inside+"=1")
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := again.Run(); err != nil {
		if again.ProcessState == nil {
			fmt.Fprintf(os.Stderr, "a network namespace: %v: run as root\n", err)
		}
		os.Exit(1)
	}
}
