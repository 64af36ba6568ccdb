package control_test

import (
	"net"

	"github.com/Microsoft/go-winio"
)

func dialSocket(path string) (net.Conn, error) { return winio.DialPipe(path, nil) }
