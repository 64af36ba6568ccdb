//go:build !windows

package control

import (
	"errors"
	"net"
	"os"
	"strconv"
	"syscall"

	"tunneld/fault"
)

// peerOf asks the kernel who is at the other end.
func peerOf(c net.Conn) (p Peer, err error) {
	socket, ok := c.(syscall.Conn)
	if _, unix := c.(*net.UnixConn); !ok || !unix {
		return Peer{}, errors.New("not a unix socket")
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	if failed := raw.Control(func(fd uintptr) { p, err = credentials(int(fd)) }); failed != nil {
		return Peer{}, failed
	}
	return p, err
}

// checkServer accepts a daemon of root and of this account. What a client sends
// may be secret, and any account may listen in a folder that all can write.
func checkServer(c net.Conn, path string) error {
	p, err := peerOf(c)
	if err != nil {
		return err
	}
	if p.User != "0" && p.User != strconv.Itoa(os.Geteuid()) {
		return fault.New(fault.PermissionDenied, "", "%s is served by uid %s, who is neither root nor you", path, p.User).
			WithHint("do not trust it; name the daemon's own socket with --socket")
	}
	return nil
}
