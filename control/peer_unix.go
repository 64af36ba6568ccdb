//go:build !windows

package control

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"tunneld/fault"
)

// peerOf asks the kernel who is at the other end.
func peerOf(c net.Conn) (p Peer, err error) {
	socket, ok := c.(syscall.Conn)
	if _, unix := c.(*net.UnixConn); !ok || !unix {
		return Peer{}, errors.New("not a unix socket")
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	if failed := raw.Control(func(fd uintptr) { p, err = credentials(int(fd)) }); failed != nil {
		return Peer{}, failed
	}
	return p, err
}

// checkServer accepts a daemon of root, of this account, and of the account for
// which root made the socket's folder. What a client sends may be secret, and any
// account may listen in a folder that all can write.
func checkServer(c net.Conn, path string) error {
	p, err := peerOf(c)
	if err != nil {
		return err
	}
	if p.User != "0" && p.User != strconv.Itoa(os.Geteuid()) && p.User != appointed(path) {
		return fault.New(fault.PermissionDenied, "", "%s is served by uid %s, who is neither root nor you", path, p.User).
			WithHint("do not trust it; name the daemon's own socket with --socket")
	}
	return nil
}

// appointed is the uid that owns the socket's folder, where only root could have
// made that folder, on the whole way to it, and nobody else can write in it; else
// "".
func appointed(path string) string {
	folder := filepath.Dir(path)
	for above := filepath.Dir(folder); ; above = filepath.Dir(above) {
		if owner, alone := ownerOf(above); owner != "0" || !alone {
			return ""
		}
		if above == filepath.Dir(above) {
			break
		}
	}
	owner, alone := ownerOf(folder)
	if !alone {
		return ""
	}
	return owner
}

// ownerOf is the uid that owns a folder, and whether it alone can write there.
func ownerOf(folder string) (uid string, alone bool) {
	info, err := os.Lstat(folder)
	if err != nil || !info.IsDir() {
		return "", false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", false
	}
	return strconv.FormatUint(uint64(stat.Uid), 10), info.Mode().Perm()&0o022 == 0
}
