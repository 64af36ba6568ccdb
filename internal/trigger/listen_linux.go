package trigger

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// groups are what the kernel tells of: links, addresses and routes, but not
// neighbours.
const groups = 1<<(unix.RTNLGRP_LINK-1) | 1<<(unix.RTNLGRP_IPV4_IFADDR-1) | 1<<(unix.RTNLGRP_IPV6_IFADDR-1) |
	1<<(unix.RTNLGRP_IPV4_ROUTE-1) | 1<<(unix.RTNLGRP_IPV6_ROUTE-1)

// listenNetwork calls stir whenever the network may have changed, at once too,
// until ctx ends. Its error is why it cannot.
func listenNetwork(ctx context.Context, stir func()) error {
	socket, err := openNetlink()
	stir() // for what changed before, and where netlink is forbidden
	if err != nil {
		return err
	}
	defer socket.Close()
	stop := context.AfterFunc(ctx, func() { socket.Close() })
	defer stop()
	return readNetwork(socket, stir)
}

// openNetlink opens a socket that gets the kernel's messages, rtnetlink(7).
func openNetlink() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}

// readNetwork calls stir for every message that matters, until a read fails.
func readNetwork(socket io.Reader, stir func()) error {
	buffer := make([]byte, 64<<10)
	for {
		n, err := socket.Read(buffer)
		switch {
		case errors.Is(err, unix.ENOBUFS): // messages were lost
			stir()
		case err != nil:
			return err
		case matters(buffer[:n]):
			stir()
		}
	}
}

// matters leaves out the routes that are no default: a router has many. What
// cannot be read may be anything.
func matters(data []byte) bool {
	messages, err := syscall.ParseNetlinkMessage(data)
	if err != nil {
		return true
	}
	for _, m := range messages {
		isRoute := m.Header.Type == unix.RTM_NEWROUTE || m.Header.Type == unix.RTM_DELROUTE
		if !isRoute || isDefault(m.Data) {
			return true
		}
	}
	return false
}
