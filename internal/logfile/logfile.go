// Package logfile writes lines into a file that is moved aside when it is full,
// so that two files together stay within twice a limit.
package logfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// File is such a file. Its fields are set before the first line; one goroutine
// writes.
type File struct {
	Path  string
	Older string // in the same folder: what Path held before; it is replaced
	Limit int64  // of each of the two, in bytes

	open *os.File // nil until it is written to
	size int64
}

// Write appends a line with its end. It makes the folder where that is missing.
// After an error the file is opened anew.
func (f *File) Write(line []byte) (int, error) {
	if err := f.makeRoom(int64(len(line))); err != nil {
		return 0, err
	}
	n, err := f.open.Write(line)
	f.size += int64(n)
	if err != nil {
		f.Close()
	}
	return n, err
}

// Close lets go of the file; all of it was written.
func (f *File) Close() {
	if f.open != nil {
		_ = f.open.Close()
	}
	f.open = nil
}

// makeRoom opens the file, and begins another where n bytes are too many.
func (f *File) makeRoom(n int64) error {
	if f.open == nil {
		if err := f.begin(); err != nil {
			return err
		}
	}
	if f.size == 0 || f.size+n <= f.Limit {
		return nil
	}
	f.Close()
	moved := f.move()
	err := f.begin()
	// On Windows another program can hold a file in its place, for a while: it
	// grows on.
	if moved != nil && f.size+n > 2*f.Limit {
		f.Close()
		return moved
	}
	return err
}

// move moves the file aside. By way of an [os.Root], here and where the files are
// opened to be read, Windows lets one move under those who read it.
func (f *File) move() error {
	folder, err := os.OpenRoot(filepath.Dir(f.Path))
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Rename(filepath.Base(f.Path), filepath.Base(f.Older))
}

// begin opens the file. A last line without an end, from a crash or a full
// disk, is ended, so that it spoils no other.
func (f *File) begin() error {
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(f.Path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	size, err := endLastLine(file)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.open, f.size = file, size
	return nil
}

// endLastLine returns the size of the file, which ends with a line.
func endLastLine(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return 0, err
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, info.Size()-1); err != nil {
		return 0, err
	}
	if last[0] == '\n' {
		return info.Size(), nil
	}
	n, err := file.Write([]byte("\n"))
	return info.Size() + int64(n), err
}

// OpenBoth opens both files of f for reading, before either is read, since that
// may take long: what moves from one to the other meanwhile is not lost. nil is a
// file that is not there.
func (f *File) OpenBoth() (older, latest *os.File, err error) {
	for {
		latest, err1 := openIfAny(f.Path)
		older, err2 := openIfAny(f.Older)
		if !isSameFile(older, latest) {
			return older, latest, errors.Join(err1, err2)
		}
		older.Close()
		latest.Close() // moved between the two
	}
}

func openIfAny(path string) (*os.File, error) {
	file, err := os.OpenInRoot(filepath.Dir(path), filepath.Base(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return file, err
}

func isSameFile(a, b *os.File) bool {
	one, err1 := a.Stat()
	other, err2 := b.Stat()
	return err1 == nil && err2 == nil && os.SameFile(one, other)
}
