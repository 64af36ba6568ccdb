//go:build !windows

package files

// nameHere reports whether a server's file may have its name here. A hostile server
// may send any.
func nameHere(name string) error { return plainName(name) }
