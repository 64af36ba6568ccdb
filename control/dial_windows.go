package control

import (
	"context"
	"net"

	"github.com/Microsoft/go-winio"
)

func dialPath(ctx context.Context, path string) (net.Conn, error) {
	return winio.DialPipeContext(ctx, path)
}
