package control

import (
	"context"
	"net"

	"github.com/Microsoft/go-winio"
)

const accessHint = "ask as an administrator"

func dialPath(ctx context.Context, path string) (net.Conn, error) {
	return winio.DialPipeContext(ctx, path)
}
