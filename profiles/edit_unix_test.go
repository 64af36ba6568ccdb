//go:build !windows

package profiles_test

import (
	"os"
	"syscall"
	"testing"
)

// checkOwner expects the owner that only root could give.
func checkOwner(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	s := info.Sys().(*syscall.Stat_t)
	if os.Geteuid() == 0 && (s.Uid != 1234 || s.Gid != 1235) {
		t.Errorf("the owner is %d, the group %d", s.Uid, s.Gid)
	}
}
