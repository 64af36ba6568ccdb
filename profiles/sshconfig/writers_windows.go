package sshconfig

import "io/fs"

// checkWriters takes every file: there are no modes here, and the access list of
// the home folder keeps others out.
func checkWriters(string, fs.FileInfo) error { return nil }
