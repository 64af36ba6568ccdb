package forward

import (
	"context"
	"net"
	"strings"
)

// ListenPipe listens on a named pipe of Windows; its account, the system and
// the administrators may connect, from this machine. name stands for
// \\.\pipe\name. Its errors are those of [ListenTCP]; elsewhere there is no
// other result.
func ListenPipe(name string) (net.Listener, error) { return listenPipe(pipePath(name)) }

// DialPipe connects to a named pipe of Windows. Its errors are those of
// [DialTCP]; elsewhere there is no other result.
func DialPipe(ctx context.Context, name string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return dialPipe(ctx, pipePath(name))
}

func pipePath(name string) string {
	if strings.HasPrefix(name, `\\`) {
		return name
	}
	return `\\.\pipe\` + name
}
