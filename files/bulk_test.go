package files_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"tunneld/files"
	"tunneld/internal/sshtest"
)

const bulk = 256 << 20

// heap is what lives after a collection.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A large file arrives whole, and memory stays flat.
func TestBulk(t *testing.T) {
	bothWays(t, func(t *testing.T, up bool) {
		dir := t.TempDir()
		source, target := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		f, err := os.Create(source)
		ok(t, err)
		_, err = io.Copy(f, sshtest.Pattern(bulk))
		ok(t, err)
		ok(t, f.Close())
		c := newCopier(newServer(t))
		before, most, next := heap(), uint64(0), int64(0)
		c.Progress = func(p files.Progress) {
			if p.Done >= next {
				most, next = max(most, heap()), next+bulk/8
			}
		}
		ok(t, c.copyOne(t, up, source, target))
		if most > before+16<<20 {
			t.Errorf("the heap grew from %d to %d bytes", before, most)
		}
		if sum(t, target) != sum(t, source) {
			t.Error("another file arrived")
		}
	})
}

func sum(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	ok(t, err)
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	ok(t, err)
	return fmt.Sprintf("%x", h.Sum(nil))
}

// Ten thousand small files.
func TestManyFiles(t *testing.T) {
	sshtest.NeedUnix(t, "sftp-server")
	dir := t.TempDir()
	from := filepath.Join(dir, "tree")
	for i := range 10_000 {
		write(t, filepath.Join(from, fmt.Sprint(i%100), fmt.Sprint(i)), []byte(fmt.Sprint(i)), 0o644)
	}
	c := newCopier(newServer(t))
	c.Recursive = true
	ok(t, c.copyOne(t, true, from, filepath.Join(dir, "there")))
	ok(t, c.copyOne(t, false, filepath.Join(dir, "there"), filepath.Join(dir, "back")))
	if c.last.Files != 10_000 {
		t.Errorf("%+v", c.last)
	}
	if picture(t, filepath.Join(dir, "back")) != picture(t, from) {
		t.Error("another tree came back")
	}
}
