//go:build !windows

package files_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tunneld/files"
)

// Permissions are what the umask leaves of the source's, or with -p exactly
// those, with the time.
func TestModesAndTimes(t *testing.T) {
	before := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	bothWays(t, func(t *testing.T, up bool) {
		from := t.TempDir()
		modes := []fs.FileMode{0o644, 0o600, 0o755, 0o700, 0o444, 0o400, 0o666, 0o777, 0o640, 0o711, 0o500}
		for _, mode := range modes {
			path := filepath.Join(from, "tree", mode.String())
			write(t, filepath.Join(path, "file"), []byte("x"), mode)
			ok(t, os.Chtimes(filepath.Join(path, "file"), before, before))
			ok(t, os.Chmod(path, mode|0o500))
			ok(t, os.Chtimes(path, before, before))
		}
		for _, umask := range []fs.FileMode{0o022, 0o077, 0o027} {
			for _, preserve := range []bool{false, true} {
				to := filepath.Join(t.TempDir(), "copy")
				c := newCopier(newServer(t, "-u", fmt.Sprintf("0%o", umask)))
				c.Recursive, c.Preserve = true, preserve
				old := syscall.Umask(int(umask))
				err := c.copyOne(t, up, filepath.Join(from, "tree"), to)
				syscall.Umask(old)
				ok(t, err)
				for _, mode := range modes {
					file, folder := mode, mode|0o500
					if !preserve {
						file, folder = file&^umask, folder&^umask
					}
					path := filepath.Join(to, mode.String())
					checkMode(t, filepath.Join(path, "file"), file, preserve, before)
					checkMode(t, path, folder, preserve, before)
				}
			}
		}
	})
}

func checkMode(t *testing.T, path string, mode fs.FileMode, preserve bool, before time.Time) {
	t.Helper()
	info, err := os.Stat(path)
	ok(t, err)
	if info.Mode().Perm() != mode || preserve && !info.ModTime().Equal(before) {
		t.Errorf("%s: %v of %v, want %v", path, info.Mode(), info.ModTime(), mode)
	}
}

// A file that is replaced keeps its permissions, as with cp; set-user-ID is
// never copied.
func TestModeOfWhatIsReplaced(t *testing.T) {
	bothWays(t, func(t *testing.T, up bool) {
		from, to := t.TempDir(), t.TempDir()
		write(t, filepath.Join(from, "a"), []byte("a"), 0o755|fs.ModeSetuid)
		write(t, filepath.Join(to, "a"), []byte("b"), 0o604)
		c := newCopier(newServer(t))
		ok(t, c.copyOne(t, up, filepath.Join(from, "a"), to))
		checkMode(t, filepath.Join(to, "a"), 0o604, false, time.Time{})
		c.Preserve = true
		ok(t, c.copyOne(t, up, filepath.Join(from, "a"), to))
		info, err := os.Stat(filepath.Join(to, "a"))
		ok(t, err)
		if info.Mode() != 0o755 {
			t.Error(info.Mode())
		}
	})
}

// What the account on the server may not, one line says.
func TestNoRight(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, for another account")
	}
	s := newServer(t)
	s.adapt = func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	dir, here := opened(t), t.TempDir()
	write(t, filepath.Join(dir, "secret"), []byte("s"), 0o600)
	write(t, filepath.Join(dir, "closed", "x"), []byte("x"), 0o644)
	ok(t, os.Chmod(filepath.Join(dir, "closed"), 0o700))
	write(t, filepath.Join(dir, "public"), []byte("p"), 0o644)
	c := newCopier(s)
	c.Recursive = true
	if err := c.copyOne(t, false, dir, filepath.Join(here, "copy")); err == nil || strings.Join(c.failed, "\n") !=
		"work:"+dir+"/closed: permission denied\nwork:"+dir+"/secret: permission denied" {
		t.Error(err, c.failed)
	}
	same(t, filepath.Join(here, "copy", "public"), []byte("p"))
	err := c.copyOne(t, true, filepath.Join(here, "copy", "public"), filepath.Join(dir, "new"))
	if err == nil || err.Error() != "work:"+dir+"/new: permission denied" {
		t.Error(err)
	}
}

// opened is a folder that every account can reach.
func opened(t *testing.T) string {
	dir, err := os.MkdirTemp("", "tunneld-files-")
	ok(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	ok(t, os.Chmod(dir, 0o755))
	return dir
}

// What cannot be copied is one line each, and the rest is copied.
func TestFailuresGoOn(t *testing.T) {
	bothWays(t, func(t *testing.T, up bool) {
		from, to := t.TempDir(), t.TempDir()
		write(t, filepath.Join(from, "a", "first"), []byte("1"), 0o644)
		write(t, filepath.Join(from, "z"), []byte("2"), 0o644)
		ok(t, os.Symlink("..", filepath.Join(from, "a", "loop")))
		ok(t, os.Symlink("a", filepath.Join(from, "other")))
		ok(t, os.Symlink("self", filepath.Join(from, "self")))
		ok(t, os.Symlink("nowhere", filepath.Join(from, "b\nc")))
		ok(t, unix.Mkfifo(filepath.Join(from, "pipe"), 0o644))
		write(t, filepath.Join(to, "t", "z", "in the way"), nil, 0o644)
		c := newCopier(newServer(t))
		c.Recursive = true
		err := c.copyOne(t, up, from+"/.", filepath.Join(to, "t"))
		var incomplete *files.Incomplete
		if !errors.As(err, &incomplete) || incomplete.Failed != len(c.failed) {
			t.Fatal(err, c.failed)
		}
		var got []string
		for _, text := range c.failed {
			path, why, _ := strings.Cut(text, ": ")
			got = append(got, strings.Trim(filepath.Base(path), `"`)+": "+why)
		}
		slices.Sort(got)
		want := []string{
			`b\nc: a symbolic link that leads nowhere`,
			"loop: a symbolic link that leads back to a folder above it",
			"loop: a symbolic link that leads back to a folder above it",
			"pipe: not a regular file",
			"self: a symbolic link that leads nowhere",
			"z: is a folder, and the source is not",
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q\nwant\n%q", c.failed, want)
		}
		same(t, filepath.Join(to, "t", "a", "first"), []byte("1"))
		same(t, filepath.Join(to, "t", "other", "first"), []byte("1"))
	})
}
