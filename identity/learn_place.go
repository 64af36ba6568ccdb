package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// place is where a file is written: a name in a folder that is held open, so
// that nobody can put another folder in its place meanwhile.
type place struct {
	folder *os.Root
	name   string
	owner  fs.FileInfo // new files belong to the owner of this; nil: to us
}

// openPlace opens the folder of the file at path, and makes it if need be. A
// symbolic link is followed, but for root none that another account can have
// made: it could lead to any file.
func openPlace(path string) (place, error) {
	foreign, rest, err := foreignFolder(path)
	if err != nil {
		return place{}, err
	}
	if foreign != "" {
		return openForeign(foreign, rest)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return place{}, err
	}
	if path, err = followLinks(path); err != nil {
		return place{}, err
	}
	folder, err := os.OpenRoot(filepath.Dir(path))
	return place{folder: folder, name: filepath.Base(path)}, err
}

// openForeign is openPlace in a folder of another account, whose own the new
// files and folders become. No link leads out of an [os.Root].
func openForeign(path, rest string) (place, error) {
	folder, err := os.OpenRoot(path)
	if err != nil {
		return place{}, err
	}
	p := place{folder: folder}
	for {
		if p.owner, err = p.folder.Stat("."); err != nil {
			break
		}
		p.name, rest, _ = strings.Cut(rest, string(filepath.Separator))
		if rest == "" {
			return p, nil
		}
		if err = p.enter(); err != nil {
			break
		}
	}
	p.folder.Close()
	return place{}, fmt.Errorf("%s belongs to another account, whose links root does not follow: %w", path, err)
}

// enter goes into the folder p.name, and makes it if need be.
func (p *place) enter() error {
	made := p.folder.Mkdir(p.name, 0o700)
	if made != nil && !errors.Is(made, fs.ErrExist) {
		return made
	}
	folder, err := p.folder.OpenRoot(p.name)
	if err != nil {
		return err
	}
	p.folder.Close()
	p.folder = folder
	if made != nil {
		return nil
	}
	self, err := folder.Open(".")
	if err != nil {
		return err
	}
	defer self.Close()
	return keepOwner(self, p.owner)
}

// followLinks returns the file that path means, which need not exist.
func followLinks(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		return real, nil
	}
	if _, dangling := os.Lstat(path); dangling == nil {
		return "", err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	return "", err
}

// create makes a new file, for its owner alone.
func (p place) create(name string) (*os.File, error) {
	f, err := p.folder.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|noFollow, 0o600)
	if err != nil || p.owner == nil {
		return f, err
	}
	if err := keepOwner(f, p.owner); err != nil {
		f.Close()
		return nil, errors.Join(err, p.folder.Remove(name))
	}
	return f, nil
}

// errReplaced is for the next try to get over.
var errReplaced = errors.New("replaced while it was opened")

// open opens a regular file that is there, and no link to one.
func (p place) open(name string, flag int) (*os.File, fs.FileInfo, error) {
	path := filepath.Join(p.folder.Name(), name)
	named, err := p.folder.Lstat(name)
	switch {
	case err != nil:
		return nil, nil, err
	case named.Mode()&fs.ModeSymlink != 0:
		return nil, nil, fmt.Errorf("%s is a symbolic link, which is not followed here", path)
	case !named.Mode().IsRegular():
		return nil, nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := p.folder.OpenFile(name, flag|noFollow, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !os.SameFile(named, info) {
		err = fmt.Errorf("%s: %w", path, errReplaced)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}
