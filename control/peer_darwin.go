package control

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// credentials are those of connect or listen at the other end, as getpeereid(3)
// returns them.
func credentials(fd int) (Peer, error) {
	c, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return Peer{}, err
	}
	pid, err := unix.GetsockoptInt(fd, unix.SOL_LOCAL, unix.LOCAL_PEERPID)
	if err != nil {
		pid = 0
	}
	return Peer{User: strconv.FormatUint(uint64(c.Uid), 10), PID: pid}, nil
}
