//go:build !windows

package forward

import (
	"context"
	"net"

	"tunneld/fault"
)

func listenPipe(path string) (net.Listener, error) {
	return nil, fault.New(fault.ListenDenied, fault.Forward, "%s: named pipes are on Windows alone", path).
		WithHint("listen on a port, or on unix:PATH")
}

func dialPipe(_ context.Context, path string) (net.Conn, error) {
	return nil, fault.New(fault.TargetRefused, fault.Forward, "%s: named pipes are on Windows alone", path).
		WithHint("dial a port, or unix:PATH")
}
