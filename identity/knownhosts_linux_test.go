package identity

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"tunneld/fault"
)

// A file that the account may not read is an error, not an empty file.
func TestLookupWithoutPermission(t *testing.T) {
	file := knownFile(t, "")
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	if os.Getuid() == 0 {
		if err := os.Chmod(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		const nobody = 65534
		unix.SetfsuidRetUid(nobody)
		defer unix.SetfsuidRetUid(0)
	}
	_, err := HostKeys{Files: []string{file}}.Lookup("h", 22)
	wantCode(t, err, fault.KnownHostsUnreadable, file)
	if err := fault.HintOf(err); err == "" {
		t.Error("no hint")
	}
}
