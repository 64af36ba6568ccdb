package control

import "net"

// ListenOptions say who may connect beside the account that listens: on Unix
// root, on Windows the system and the administrators always may.
type ListenOptions struct {
	// Group is a group whose members may connect too, where it exists; ""
	// means nobody else.
	Group string
}

// Listen makes the socket or named pipe of a daemon at path. A daemon that has
// it already is the error daemon_running; a folder in which others could put a
// socket of their own is permission_denied.
//
// On Unix the folder is made where it is missing. A lock file beside the socket
// is held until Close, so what a killed daemon left behind is removed safely.
// The lock file itself stays: who removes one may remove another's.
func Listen(path string, o ListenOptions) (net.Listener, error) { return listen(path, o) }
