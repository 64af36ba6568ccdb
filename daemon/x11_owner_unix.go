//go:build unix

package daemon

import (
	"os"
	"syscall"
)

// ownerOf is the account that a file belongs to; root's where it is not there.
func ownerOf(file string) int {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return int(owner.Uid)
}
