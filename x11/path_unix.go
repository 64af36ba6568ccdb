//go:build unix

package x11

import "strconv"

// path is where servers of this machine put their sockets.
func (d Display) path() string { return "/tmp/.X11-unix/X" + strconv.Itoa(d.Number) }
