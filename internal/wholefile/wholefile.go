// Package wholefile puts a file in place whole or not at all: who reads it finds
// what was there before or what comes, never a part, and a crash or a full disk
// leaves what was.
package wholefile

import (
	"crypto/rand"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Write puts data at path, in a folder that is there. The file is readable by its
// owner alone, unless prepare, which may be nil, makes the open file another's
// before it takes its place. What fails is a [fs.PathError] of path, or prepare's
// own error.
func Write(path string, data []byte, prepare func(f *os.File) error) error {
	folder, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return at(path, err)
	}
	defer folder.Close()
	return WriteIn(folder, filepath.Base(path), data, prepare)
}

// WriteIn is [Write] in a folder that is held open, out of which no link leads.
func WriteIn(folder *os.Root, name string, data []byte, prepare func(f *os.File) error) error {
	path := filepath.Join(folder.Name(), name)
	temp := "." + rand.Text() + ".tmp" // hidden: nobody takes it for what it becomes
	f, err := folder.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return at(path, err)
	}
	err = fill(f, data, prepare)
	if err == nil {
		err = rename(folder, temp, name)
	}
	if err != nil {
		folder.Remove(temp)
		return at(path, err)
	}
	return nil
}

func fill(f *os.File, data []byte, prepare func(f *os.File) error) error {
	_, err := f.Write(data)
	if err == nil && prepare != nil {
		err = prepare(f)
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// Read is [os.ReadFile] of a file that another may be putting in place.
func Read(path string) (data []byte, err error) {
	err = await(heldAlone, func() error {
		data, err = os.ReadFile(path)
		return err
	})
	return data, err
}

// rename waits for those who read what is replaced.
func rename(folder *os.Root, from, to string) error {
	return await(inUse, func() error { return folder.Rename(from, to) })
}

// On Windows a reader keeps a file in its place, and a rename keeps readers out.
const othersWait, othersPoll = 10 * time.Second, 10 * time.Millisecond

// await tries until the error is no longer that others are at the file.
func await(others func(error) bool, try func() error) error {
	for end := time.Now().Add(othersWait); ; time.Sleep(othersPoll) {
		err := try()
		if !others(err) || time.Now().After(end) {
			return err
		}
	}
}

// at names the path that a person knows in place of the temporary file's.
func at(path string, err error) error {
	switch e := err.(type) {
	case *fs.PathError:
		err = e.Err
	case *os.LinkError:
		err = e.Err
	default:
		return err
	}
	return &fs.PathError{Op: "write", Path: path, Err: err}
}
