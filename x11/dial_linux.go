package x11

import (
	"context"
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// dialLocal tries the socket in the file system, then the abstract name, which
// servers keep where their folder is out of reach.
func (d Display) dialLocal(ctx context.Context) (net.Conn, error) {
	conn, err := d.dialSocket(ctx, d.path())
	if err == nil || errors.Is(err, errForeign) {
		return conn, err
	}
	conn, abstract := d.dialSocket(ctx, "@"+d.path())
	if errors.Is(abstract, errForeign) {
		return nil, abstract
	}
	if abstract != nil {
		return nil, err // the one that people know of
	}
	return conn, nil
}

// socketUID returns the account that called listen at the other end (unix(7),
// SO_PEERCRED).
func socketUID(fd int) (int, error) {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(c.Uid), nil
}
