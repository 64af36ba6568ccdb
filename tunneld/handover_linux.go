package main

import (
	"context"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"

	"tunneld/control"
	"tunneld/forward"
	"tunneld/internal/handover"
)

// handOver returns how this process listens, where systemd keeps its sockets for
// the next one, and what gives up those that nobody asked for. They are the next
// one's from the end of ctx on. Trouble is told.
func handOver(ctx context.Context, tell func(control.Event)) (listen forward.ListenFunc, settle func()) {
	address := os.Getenv("NOTIFY_SOCKET")
	if address == "" {
		return nil, func() {}
	}
	s := &handover.Store{
		Send:    func(state string, files ...*os.File) error { return sendFiles(address, state, files) },
		Leaving: func() bool { return ctx.Err() != nil },
		Trouble: func(err error) {
			tell(control.Event{Time: time.Now(), Level: control.Warn, Kind: "daemon", Message: "a restart will refuse connections for a moment", Detail: err.Error()})
		},
	}
	s.Inherit(activation.Files(true))
	return s.Listen, s.Settle
}

// sendFiles tells systemd a state that comes with files, which go-systemd cannot
// (sd_pid_notify_with_fds(3)).
func sendFiles(address, state string, files []*os.File) error {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram"}) // a connected one takes no files in Go
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	var rights []byte
	for _, f := range files {
		raw, err := f.SyscallConn() // Fd would make the socket block
		if err != nil {
			return err
		}
		if err := raw.Control(func(fd uintptr) { rights = append(rights, syscall.UnixRights(int(fd))...) }); err != nil {
			return err
		}
	}
	_, _, err = conn.WriteMsgUnix([]byte(state), rights, &net.UnixAddr{Name: address, Net: "unixgram"})
	return err
}
