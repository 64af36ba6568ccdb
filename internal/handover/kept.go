//go:build unix

package handover

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
)

// nameLimit is what a name in systemd's store may have.
const nameLimit = 255

// socket is a listening socket of TCP or in the file system.
type socket interface {
	net.Listener
	syscall.Conn
	File() (*os.File, error)
}

// kept is a listener of which the service manager has a copy.
type kept struct {
	socket
	unix  *net.UnixListener // the socket, where it has a file
	at    place
	name  string // how the service manager knows the socket
	owner *Store
	given atomic.Bool // up
}

// keeping returns ln as one of which the manager is to have a copy; nil for one
// that cannot be passed on.
func (s *Store) keeping(ln net.Listener) *kept {
	k := &kept{owner: s, at: placeOf(ln.Addr().Network(), ln.Addr().String())}
	switch ln := ln.(type) {
	case *net.TCPListener:
		k.socket = ln
	case *net.UnixListener:
		k.socket, k.unix = ln, ln
	}
	if k.socket == nil || k.at == "" {
		return nil
	}
	k.name = k.nameNow()
	return k
}

// store gives the service manager a copy.
func (k *kept) store() error {
	if len(k.name) > nameLimit {
		return errors.New("the name is too long")
	}
	if n := k.owner.copies.Add(1); n > StoreMax {
		k.owner.copies.Add(-1)
		return fmt.Errorf("systemd keeps %d sockets at most", StoreMax)
	}
	err := k.sendCopy()
	if err != nil {
		k.owner.copies.Add(-1)
	}
	return err
}

func (k *kept) sendCopy() error {
	f, err := k.File()
	if err != nil {
		return err
	}
	defer f.Close()
	return k.owner.Send("FDSTORE=1\nFDNAME="+k.name, f)
}

// nameNow returns where the socket is, and after an @ which file it has there at
// present, so that the next process knows whether that is still the same. It has
// neither colons nor letters beyond ASCII: systemd takes none.
func (k *kept) nameNow() string {
	name := url.QueryEscape(string(k.at)) // it has no @
	if k.unix == nil {
		return name
	}
	info, err := os.Lstat(string(k.at))
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return name
	}
	file, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return name
	}
	return fmt.Sprintf("%s@%x-%x", name, file.Dev, file.Ino)
}

// reachable reports whether clients can find the socket: its file may be gone, or
// another program's may be in its place.
func (k *kept) reachable() bool {
	return k.unix == nil || strings.Contains(k.name, "@") && k.name == k.nameNow()
}

// Close closes the socket. Unless the process is leaving, the copy and the file
// go too.
func (k *kept) Close() error {
	if !k.owner.Leaving() {
		return k.giveUp()
	}
	if k.unix != nil {
		k.unix.SetUnlinkOnClose(false)
	}
	return k.socket.Close()
}

// giveUp closes the socket for good, in all its copies: whatever the manager
// does, the address is free at once.
func (k *kept) giveUp() error {
	if k.given.Swap(true) {
		return net.ErrClosed
	}
	k.owner.copies.Add(-1)
	if raw, err := k.SyscallConn(); err == nil {
		_ = raw.Control(shutDown)
	}
	_ = k.owner.Send("FDSTOREREMOVE=1\nFDNAME=" + k.name) // it keeps a dead socket then, no more
	if k.unix != nil {
		k.unix.SetUnlinkOnClose(k.reachable()) // else the path is somebody else's
	}
	return k.socket.Close()
}

func shutDown(fd uintptr) { _ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) }
