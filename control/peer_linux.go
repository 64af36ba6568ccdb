package control

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// credentials are those of connect or listen at the other end (unix(7),
// SO_PEERCRED).
func credentials(fd int) (Peer, error) {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Peer{}, err
	}
	return Peer{User: strconv.FormatUint(uint64(c.Uid), 10), PID: int(c.Pid)}, nil
}
