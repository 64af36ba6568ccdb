package x11

import (
	"context"
	"errors"
	"net"
)

// dialLocal connects over TCP: X servers for Windows have no sockets of another
// kind.
func (d Display) dialLocal(ctx context.Context) (net.Conn, error) {
	return dialNet(ctx, "tcp", d.address("127.0.0.1"))
}

// socketUID refuses: nobody could say who listens.
func socketUID(int) (int, error) {
	return 0, errors.New("windows does not say who listens at a socket")
}
