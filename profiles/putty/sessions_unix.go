//go:build !windows

package putty

import (
	"errors"
	"io/fs"
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
