package identity

import (
	"context"
	"net"

	"github.com/Microsoft/go-winio"
)

func dialAgent(ctx context.Context, pipe string) (net.Conn, error) {
	return winio.DialPipeContext(ctx, pipe)
}
