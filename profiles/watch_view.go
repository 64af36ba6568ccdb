package profiles

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// mostLinks is how many symbolic links are followed one after the other.
const mostLinks = 40

// view is what there is of a configuration folder at one moment, and where to
// watch for its next moment. All paths are real: without links on the way.
type view struct {
	files   map[string]fs.FileInfo // what Load reads, by the path it reads; nil is missing
	real    map[string]string      // where a path leads to
	folders map[string]bool        // to watch; true: for everything in it
	turns   map[string]bool        // names whose change leads elsewhere: links, and what is missing
}

// see looks at the configuration folder dir.
func see(dir string) view {
	v := view{files: map[string]fs.FileInfo{}, real: map[string]string{}, folders: map[string]bool{}, turns: map[string]bool{}}
	inner := filepath.Join(dir, profilesFolder)
	v.folder(dir)
	v.folder(inner)
	v.file(filepath.Join(dir, daemonFile))
	v.file(filepath.Join(dir, misnamedFile))
	entries, _ := os.ReadDir(inner) // a folder that cannot be read shows by its mode
	for _, e := range entries {
		if isProfileFile(e.Name()) {
			v.file(filepath.Join(inner, e.Name()))
		}
	}
	return v
}

// folder notes a folder in which every name matters.
func (v view) folder(path string) {
	if real := v.follow(path, mostLinks); v.stat(path) != nil {
		v.folders[real] = true
	}
}

func (v view) file(path string) {
	if real := v.follow(path, mostLinks); v.stat(path) != nil {
		v.observe(real)
	}
}

// stat notes what is at path.
func (v view) stat(path string) fs.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		info = nil
	}
	v.files[path] = info
	return info
}

// observe notes the folder of a name, so that changes of the name are told.
func (v view) observe(name string) {
	folder := filepath.Dir(name)
	if _, known := v.folders[folder]; !known {
		v.folders[folder] = false
	}
}

// follow returns where path leads to, and notes the turns on the way.
func (v view) follow(path string, links int) string {
	if real, known := v.real[path]; known {
		return real
	}
	parent := filepath.Dir(path)
	if parent == path || links == 0 {
		return path
	}
	real := filepath.Join(v.follow(parent, links), filepath.Base(path))
	target, err := os.Readlink(real)
	if err == nil || isMissing(err) {
		v.turns[real] = true
		v.observe(real)
	}
	if err == nil {
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(real), target)
		}
		real = v.follow(target, links-1)
	}
	v.real[path] = real
	return real
}

// concerns reports whether a change of name may be one of the configuration.
func (v view) concerns(name string) bool {
	_, watched := v.folders[name]
	return watched || v.folders[filepath.Dir(name)] || v.turns[name] || v.reads(name)
}

// reads reports whether name is a file that Load reads.
func (v view) reads(name string) bool {
	for path, info := range v.files {
		if info != nil && !info.IsDir() && v.real[path] == name {
			return true
		}
	}
	return false
}

// equal reports whether the same files look the same.
func (v view) equal(other view) bool {
	if len(v.files) != len(other.files) {
		return false
	}
	for path, info := range v.files {
		then, known := other.files[path]
		if !known || !sameFile(info, then) {
			return false
		}
	}
	return true
}

// sameFile reports whether a file has not changed between two looks, or a
// folder is as open as it was: its time says nothing about what is read.
func sameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if a.Mode() != b.Mode() || a.IsDir() {
		return a.Mode() == b.Mode()
	}
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b)
}

// isProfileFile reports whether a name in the profiles folder is a profile's.
// Hidden files are the editors' own.
func isProfileFile(name string) bool {
	return strings.EqualFold(filepath.Ext(name), extension) && !strings.HasPrefix(name, ".")
}

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
