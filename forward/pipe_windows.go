package forward

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"

	"tunneld/fault"
)

// pipeBuffer is what either direction of a pipe holds.
const pipeBuffer = 64 << 10

// listenPipe makes the first instance of a pipe, which go-winio asks for and
// lets no other machine use. A pipe of bytes, as most programs want it, cannot
// half-close: its client sees the end when both directions are over.
func listenPipe(path string) (net.Listener, error) {
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, fault.New(fault.ListenDenied, fault.Forward, "listen %s: %w", path, err)
	}
	access := fmt.Sprintf("O:%[1]sD:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;%[1]s)", me.User.Sid)
	ln, err := winio.ListenPipe(path, &winio.PipeConfig{SecurityDescriptor: access, InputBufferSize: pipeBuffer, OutputBufferSize: pipeBuffer})
	for _, taken := range []error{windows.ERROR_ACCESS_DENIED, windows.ERROR_PIPE_BUSY, windows.ERROR_ALREADY_EXISTS} {
		if errors.Is(err, taken) {
			return nil, fault.New(fault.ListenInUse, fault.Forward, "listen %s: %w", path, err).
				WithHint("another program has the pipe: end it, or choose another name")
		}
	}
	if err != nil {
		return nil, fault.New(fault.ListenDenied, fault.Forward, "listen %s: %w", path, err)
	}
	return ln, nil
}

func dialPipe(ctx context.Context, path string) (net.Conn, error) {
	conn, err := winio.DialPipeContext(ctx, path)
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, context.Canceled):
		return nil, err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, winio.ErrTimeout):
		return nil, fault.New(fault.TargetTimeout, fault.Forward, "dial %s: %w", path, err)
	}
	return nil, fault.New(fault.TargetRefused, fault.Forward, "dial %s: %w", path, err)
}
