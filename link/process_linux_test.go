package link_test

import (
	"bytes"
	"fmt"
	"os"
)

// runs reports that there is such a process, and that it is not a zombie.
func runs(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && !bytes.Contains(status, []byte("State:\tZ"))
}
