//go:build !windows

package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links may lead to one file.
const maxLinks = 40

// foreignFolder returns, for root, the first folder on the way to path in which
// another account can make links, and the rest of the way; else "". Root's own
// links are followed.
func foreignFolder(path string) (folder, rest string, err error) {
	if os.Geteuid() != 0 {
		return "", "", nil
	}
	if rest, err = filepath.Abs(path); err != nil {
		return "", "", err
	}
	folder, rest = "/", rest[1:]
	for links := 0; ; {
		info, err := os.Lstat(folder)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", "", nil
		case err != nil:
			return "", "", err
		case info.Mode()&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return "", "", fmt.Errorf("%s: too many symbolic links", path)
			}
			if folder, err = target(folder); err != nil {
				return "", "", err
			}
			folder, rest = "/", filepath.Join(folder, rest)[1:]
			continue
		case rest == "":
			return "", "", nil
		case !onlyRoots(info):
			return folder, rest, nil
		}
		name, below, _ := strings.Cut(rest, "/")
		folder, rest = filepath.Join(folder, name), below
	}
}

// target is where a symbolic link leads, as an absolute path.
func target(link string) (string, error) {
	to, err := os.Readlink(link)
	if err != nil || filepath.IsAbs(to) {
		return to, err
	}
	return filepath.Join(filepath.Dir(link), to), nil
}

// onlyRoots reports whether nobody else can make a link in a folder, or in the
// place of what root has there.
func onlyRoots(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	wide := info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0
	return ok && stat.Uid == 0 && !wide
}
