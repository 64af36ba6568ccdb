//go:build !windows

package sshconfig

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkWriters refuses a file that others than root and this account can write,
// as OpenSSH does.
func checkWriters(path string, info fs.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != os.Getuid() {
		return fmt.Errorf("it belongs to another account: chown %d %s, if you trust what is in it", os.Getuid(), path)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("others can write it: chmod go-w %s", path)
	}
	return nil
}
