package main

import (
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"tunneld/install"
	"tunneld/profiles"
)

// unreadable lists what root, who checks, can read of the machine's profiles, and
// the service, which has an account of its own, cannot.
func unreadable(f folders, loader *profiles.Loader, good []checkedProfile) []profiles.Problem {
	if !f.system || os.Geteuid() != 0 {
		return nil
	}
	service, err := readerOf(install.Name)
	if err != nil { // there is no service
		return nil
	}
	return service.problems(loader, good)
}

// reader is an account that reads files.
type reader struct {
	name string
	uid  string
	gids []string
}

func readerOf(account string) (reader, error) {
	u, err := user.Lookup(account)
	if err != nil {
		return reader{}, err
	}
	gids, err := u.GroupIds()
	return reader{account, u.Uid, gids}, err
}

func (r reader) problems(loader *profiles.Loader, good []checkedProfile) (found []profiles.Problem) {
	for _, p := range good {
		warning := profiles.Problem{File: profileFile(p.Name), Warning: true}
		if path := loader.File(p.Name); p.file == "" && !r.canRead(path) {
			warning.Message = "the service's account, " + r.name + ", cannot read it"
			warning.Hint = "chgrp " + r.name + " " + path + " && chmod 640 " + path
			found = append(found, warning)
		}
		for _, path := range p.keys {
			if r.canRead(path) {
				continue
			}
			warning.Key = "auth.identity_files"
			warning.Message = "the service's account, " + r.name + ", cannot read " + path
			warning.Hint = "keep it in a folder that " + r.name + " may enter, then: chown " + r.name + " " + path
			found = append(found, warning)
		}
	}
	return found
}

// canRead goes by owners and modes. What is not there is no matter of who reads.
func (r reader) canRead(path string) bool {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if !r.may(dir, 1) {
			return false
		}
		if dir == filepath.Dir(dir) {
			return r.may(path, 4)
		}
	}
}

// may looks for a bit of a mode as it stands for others: 4 reads, 1 enters.
func (r reader) may(path string, bit fs.FileMode) bool {
	info, err := os.Stat(path)
	if err != nil {
		return true
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return true
	case strconv.Itoa(int(stat.Uid)) == r.uid:
		bit <<= 6
	case slices.Contains(r.gids, strconv.Itoa(int(stat.Gid))):
		bit <<= 3
	}
	return info.Mode()&bit != 0
}
