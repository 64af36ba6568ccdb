package wholefile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// alone fails where more than the one file is left in a folder.
func alone(t *testing.T, path string) {
	t.Helper()
	if all, err := os.ReadDir(filepath.Dir(path)); err != nil || len(all) != 1 || all[0].Name() != filepath.Base(path) {
		t.Errorf("the folder has %v, %v", all, err)
	}
}

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, text := range []string{"one", "another", ""} {
		if err := Write(path, []byte(text), nil); err != nil || read(t, path) != text {
			t.Errorf("%q, %v", read(t, path), err)
		}
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
	alone(t, path)
}

// The mode is there before the name is.
func TestPrepare(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	err := Write(path, []byte("text"), func(f *os.File) error {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Error("it is in place already:", err)
		}
		if text := read(t, f.Name()); text != "text" {
			t.Errorf("its name leads to %q", text)
		}
		return f.Chmod(0o640)
	})
	if info, statErr := os.Stat(path); err != nil || statErr != nil || runtime.GOOS != "windows" && info.Mode() != 0o640 {
		t.Error(info, err, statErr)
	}
}

// A failure leaves what was there, nothing else, and names the path.
func TestFailure(t *testing.T) {
	refuses := errors.New("refused")
	for name, c := range map[string]struct {
		path    string
		prepare func(*os.File) error
		want    error // nil: one that names the path
	}{
		"prepare":     {"file", func(*os.File) error { return refuses }, refuses},
		"closed":      {"file", (*os.File).Close, nil},
		"no folder":   {"none/file", nil, fs.ErrNotExist},
		"is a folder": {".", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && c.path == "." {
				t.Skip("waits as for a reader")
			}
			kept := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(kept, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(filepath.Dir(kept), c.path)
			if c.path == "." {
				path = t.TempDir()
			}
			err := Write(path, []byte("new"), c.prepare)
			var file *fs.PathError
			switch {
			case err == nil, c.want != nil && !errors.Is(err, c.want):
				t.Error(err)
			case c.want != refuses && (!errors.As(err, &file) || file.Path != path):
				t.Errorf("%v does not name %s", err, path)
			}
			if got := read(t, kept); got != "old" {
				t.Errorf("it says %q", got)
			}
			alone(t, kept)
		})
	}
}

// No link leads out of a folder that is held open, and a link is replaced.
func TestWriteIn(t *testing.T) {
	outside, dir := filepath.Join(t.TempDir(), "outside"), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "file")); err != nil {
		t.Skip(err)
	}
	folder, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if err := WriteIn(folder, "file", []byte("text"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(outside); !errors.Is(err, fs.ErrNotExist) {
		t.Error("it went through the link:", err)
	}
	if got := read(t, filepath.Join(dir, "file")); got != "text" {
		t.Errorf("it says %q", got)
	}
}

// Who reads meanwhile finds one content or another, and no part; on Windows
// readers and writers wait for each other.
func TestReaders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	contents := [][]byte{bytes.Repeat([]byte("a"), 1<<20), bytes.Repeat([]byte("b"), 1<<19)}
	if err := Write(path, contents[0], nil); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			if err := Write(path, contents[n%2], nil); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			if got, err := Read(path); err != nil || !bytes.Equal(got, contents[0]) && !bytes.Equal(got, contents[1]) {
				t.Errorf("read %d bytes, %v", len(got), err)
			}
		})
	}
	all.Wait()
	alone(t, path)
}
