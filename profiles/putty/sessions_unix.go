//go:build !windows

package putty

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Sessions returns every saved session, by name. home is the home folder; the
// sessions lie in ~/.config/putty where that exists, and else in ~/.putty.
func Sessions(home string) ([]Session, error) {
	all, err := read(filepath.Join(home, ".config", "putty", "sessions"))
	if errors.Is(err, fs.ErrNotExist) {
		all, err = read(filepath.Join(home, ".putty", "sessions"))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return all, err
}

// read reads every session of a folder, by name.
func read(dir string) ([]Session, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []Session
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		s, err := readFile(unescapeName(e.Name()), filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	sortSessions(all)
	return all, nil
}

func readFile(name, path string) (Session, error) {
	f, err := os.Open(path)
	if err != nil {
		return Session{}, err
	}
	defer f.Close()
	return Parse(name, path, f)
}
