//go:build !windows

package control

import (
	"context"
	"net"
)

const accessHint = "ask as its owner or as a member of the group tunneld: sudo usermod -aG tunneld USER, and log in again"

func dialPath(ctx context.Context, path string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", path)
}
