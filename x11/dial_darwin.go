package x11

import (
	"context"
	"net"

	"golang.org/x/sys/unix"
)

func (d Display) dialLocal(ctx context.Context) (net.Conn, error) {
	return d.dialSocket(ctx, d.path())
}

// socketUID returns the account that called listen at the other end, as
// getpeereid(3) does.
func socketUID(fd int) (int, error) {
	c, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(c.Uid), nil
}
