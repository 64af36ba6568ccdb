package files

import (
	"cmp"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/pkg/sftp"
)

// side is one end of a copy: what it takes to read and to write there.
type side struct {
	server string // "" for this machine

	stat, lstat func(path string) (fs.FileInfo, error)
	list        func(path string) ([]fs.FileInfo, error) // what is in a folder, as lstat has it
	real        func(path string) (string, error)        // without symbolic links

	open   func(path string) (file, error)                   // to read
	create func(path string, perm fs.FileMode) (file, error) // to write; it must not be there
	reopen func(path string) (file, error)                   // to write

	mkdir  func(path string, perm fs.FileMode) error
	chmod  func(path string, mode fs.FileMode) error
	chtime func(path string, modified time.Time) error
	remove func(path string) error
	rename func(from, to string) error // over what is there
	isFull func(folder string) bool    // whether that explains a refusal without a reason

	join func(folder, name string) string
	base func(path string) string
	name func(name string) error // whether a file may have it

	slack int64 // so much at the end of a partial file may have holes
}

// file is an open file of either side.
type file interface {
	fs.File
	io.Writer
	io.Seeker
	Chmod(mode fs.FileMode) error
}

func (s side) shown(path string) string {
	if s.server == "" {
		return Shown(path)
	}
	return Shown(s.server + ":" + path)
}

// here is this machine.
var here = side{
	stat: os.Stat, lstat: os.Lstat, list: listHere, real: filepath.EvalSymlinks,
	open:   func(p string) (file, error) { return opened(os.Open(p)) },
	create: func(p string, perm fs.FileMode) (file, error) { return opened(os.OpenFile(p, exclusively, perm)) },
	reopen: func(p string) (file, error) { return opened(os.OpenFile(p, os.O_WRONLY, 0)) },
	mkdir:  os.Mkdir, chmod: os.Chmod, remove: os.Remove, rename: os.Rename,
	chtime: func(p string, at time.Time) error { return os.Chtimes(p, time.Time{}, at) },
	isFull: func(string) bool { return false }, // the system says so itself
	join:   func(folder, name string) string { return filepath.Join(folder, name) }, base: filepath.Base, name: nameHere,
}

const exclusively = os.O_WRONLY | os.O_CREATE | os.O_EXCL

// opened makes f's type the interface, with nil for none.
func opened[F file](f F, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

func listHere(folder string) ([]fs.FileInfo, error) {
	entries, err := os.ReadDir(folder)
	infos := make([]fs.FileInfo, 0, len(entries))
	for _, e := range entries {
		if info, err := e.Info(); err == nil { // else it is gone by now
			infos = append(infos, info)
		}
	}
	return infos, err
}

// side is the server, by whatever session is open at the time.
func (r *remote) side(server string) side {
	return side{
		server: server,
		stat:   func(p string) (fs.FileInfo, error) { return r.session().Stat(p) },
		lstat:  func(p string) (fs.FileInfo, error) { return r.session().Lstat(p) },
		list:   func(p string) ([]fs.FileInfo, error) { return r.session().ReadDir(p) },
		real:   func(p string) (string, error) { return r.session().RealPath(p) },

		open:   func(p string) (file, error) { return opened(r.session().Open(p)) },
		create: func(p string, _ fs.FileMode) (file, error) { return opened(r.session().OpenFile(p, exclusively)) },
		reopen: func(p string) (file, error) { return opened(r.session().OpenFile(p, os.O_WRONLY)) },

		mkdir:  func(p string, _ fs.FileMode) error { return r.session().Mkdir(p) },
		chmod:  func(p string, mode fs.FileMode) error { return r.session().Chmod(p, mode) },
		chtime: func(p string, at time.Time) error { return r.session().Chtimes(p, at, at) },
		remove: func(p string) error { return r.session().Remove(p) },
		rename: func(from, to string) error { return r.session().replace(from, to) },
		isFull: func(folder string) bool { return r.session().isFull(folder) },

		join: joinThere, base: path.Base, name: func(string) error { return nil },
		slack: window + 3*mostPacket,
	}
}

// replace renames over what is there. Without OpenSSH's extension (PROTOCOL page,
// section 4.3) there is a moment in which neither is.
func (s *session) replace(from, to string) error {
	if _, ok := s.HasExtension("posix-rename@openssh.com"); ok {
		return s.PosixRename(from, to)
	}
	err := s.Rename(from, to)
	if _, ok := err.(*sftp.StatusError); !ok {
		return err
	}
	if s.Remove(to) == nil {
		err = s.Rename(from, to)
	}
	return err
}

// isFull asks by OpenSSH's extension (PROTOCOL page, section 4.4): a server says of
// a full disk only that it failed.
func (s *session) isFull(folder string) bool {
	v, err := s.StatVFS(cmp.Or(folder, "."))
	return err == nil && (v.Bavail == 0 || v.Files > 0 && v.Favail == 0)
}

// joinThere changes nothing that the server might read in another way.
func joinThere(folder, name string) string {
	if folder == "." {
		return name
	}
	return strings.TrimSuffix(folder, "/") + "/" + name
}

// remotePath is a person's path as SFTP has it, which begins at home.
func remotePath(p string) string {
	rest, home := strings.CutPrefix(p, "~/")
	switch {
	case home:
		p = strings.TrimLeft(rest, "/")
	case p == "~":
		p = ""
	}
	if p == "" {
		return "."
	}
	return p
}
