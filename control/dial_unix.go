//go:build !windows

package control

import (
	"context"
	"net"
)

func dialPath(ctx context.Context, path string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", path)
}
