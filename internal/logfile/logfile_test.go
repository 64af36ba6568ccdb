package logfile

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func newFile(t *testing.T, limit int64) *File {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "logs")
	f := &File{Path: filepath.Join(dir, "log"), Older: filepath.Join(dir, "log.1"), Limit: limit}
	t.Cleanup(f.Close)
	return f
}

func write(t *testing.T, f *File, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if n, err := f.Write([]byte(line + "\n")); err != nil || n != len(line)+1 {
			t.Fatalf("%q: %d %v", line, n, err)
		}
	}
}

func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRotates(t *testing.T) {
	f := newFile(t, 10)
	write(t, f, "one", "two", "three", "four", "much longer than the limit", "five")
	if got := contents(t, f.Older) + "|" + contents(t, f.Path); got != "much longer than the limit\n|five\n" {
		t.Errorf("%q", got)
	}
}

// Who reads keeps what was there, and nothing waits for that.
func TestRotatesUnderReaders(t *testing.T) {
	f := newFile(t, 10)
	write(t, f, "first")
	var open []*os.File
	before := "first\n"
	for _, line := range []string{"second", "third"} {
		older, latest, err := f.OpenBoth()
		if err != nil {
			t.Fatal(err)
		}
		defer older.Close()
		defer latest.Close()
		open = append(open, older, latest)
		write(t, f, line)
		if got, want := contents(t, f.Older)+"|"+contents(t, f.Path), before+"|"+line+"\n"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		before = line + "\n"
		if runtime.GOOS == "windows" {
			break // Wine replaces no open file, as Windows before 10
		}
	}
	for i, want := range []string{"", "first\n", "first\n", "second\n"}[:len(open)] {
		if open[i] == nil {
			continue // there was none
		}
		if got, err := io.ReadAll(open[i]); err != nil || string(got) != want {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// A line that a crash cut off is ended.
func TestGoesOn(t *testing.T) {
	f := newFile(t, 1000)
	write(t, f, "whole")
	f.Close()
	if err := os.WriteFile(f.Path, []byte("whole\ncut o"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, f, "next")
	if got := contents(t, f.Path); got != "whole\ncut o\nnext\n" {
		t.Errorf("%q", got)
	}
}

// A file that cannot be moved grows to twice its limit, and no further.
func TestStuck(t *testing.T) {
	f := newFile(t, 100)
	if err := os.MkdirAll(filepath.Join(f.Older, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("x", 9)
	for range 20 {
		write(t, f, line)
	}
	if _, err := f.Write([]byte(line + "\n")); err == nil {
		t.Error("a file without a limit")
	}
	if err := os.RemoveAll(f.Older); err != nil {
		t.Fatal(err)
	}
	write(t, f, line)
	if got := contents(t, f.Older); len(got) != 200 {
		t.Errorf("%d bytes were moved", len(got))
	}
}
