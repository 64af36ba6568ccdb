package files_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A full disk: one clear line, what was there stays, and the rest is copied, if not
// at once then by another run.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount a small disk")
	}
	bothWays(t, func(t *testing.T, up bool) {
		from, to := filepath.Join(t.TempDir(), "tree"), t.TempDir()
		ok(t, syscall.Mount("tmpfs", to, "tmpfs", 0, "size=1m"))
		t.Cleanup(func() { ok(t, syscall.Unmount(to, 0)) })
		write(t, filepath.Join(from, "a"), []byte("small"), 0o644)
		write(t, filepath.Join(from, "b"), noise(3<<20), 0o644)
		write(t, filepath.Join(from, "c"), noise(500_000), 0o644)
		write(t, filepath.Join(to, "tree", "b"), []byte("old"), 0o644)
		why := ": no space left on device"
		if up {
			why = ": no space left on the server"
		}
		var err error
		var failed []string
		for range 5 { // those beside it may meet the disk while it is full
			c := newCopier(newServer(t))
			c.Recursive = true
			if err, failed = c.copyOne(t, up, from, to), c.failed; len(failed) == 1 {
				break
			}
		}
		if err == nil || err.Error() != "1 not copied, 2 copied" || len(failed) != 1 || !strings.HasSuffix(failed[0], "/tree/b"+why) {
			t.Errorf("%v %q", err, failed)
		}
		same(t, filepath.Join(to, "tree", "a"), []byte("small"))
		same(t, filepath.Join(to, "tree", "b"), []byte("old"))
		same(t, filepath.Join(to, "tree", "c"), noise(500_000))
		if left := leftovers(t, filepath.Join(to, "tree")); left != nil {
			t.Error(left)
		}
	})
}
