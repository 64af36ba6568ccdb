//go:build !windows

package access

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// MountedReadOnly reports whether path is on a read-only mount that somebody
// made for it, as orchestrators do for secrets and settings: who may change it
// is theirs to say. Such a mount is at one of places, or in one, or at a file
// itself. A service that may write nowhere finds every mount read-only, and
// others may still write there: that does not count. An empty place is none.
func MountedReadOnly(path string, places ...string) bool {
	if unix.Access(path, unix.W_OK) != unix.EROFS {
		return false
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	point, known := mountPoint(path)
	if !known {
		return false
	}
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && point == path {
		return true
	}
	for _, place := range places {
		if isIn(point, place) {
			return true
		}
	}
	return false
}

// mountPoint returns the folder or file at which path's mount begins.
func mountPoint(path string) (point string, known bool) {
	id, known := mountOf(path)
	for known && path != "/" {
		above := filepath.Dir(path)
		other, ok := mountOf(above)
		if !ok {
			return "", false
		}
		if other != id {
			break
		}
		path = above
	}
	return path, known
}

// isIn reports whether path, without links, is place or in it.
func isIn(path, place string) bool {
	place, err := filepath.EvalSymlinks(place)
	if err != nil || place == "" {
		return false
	}
	rel, err := filepath.Rel(place, path)
	return err == nil && filepath.IsLocal(rel)
}

// deviceOf is what tells mounts apart where the system has no better word: not a
// folder that is mounted a second time from the same disk.
func deviceOf(path string) (device uint64, known bool) {
	var info unix.Stat_t
	err := unix.Stat(path, &info)
	return uint64(info.Dev), err == nil
}
