package control

import (
	"errors"
	"net"

	"golang.org/x/sys/windows"

	"tunneld/fault"
	"tunneld/internal/access"
)

// peerOf asks who opened a pipe.
func peerOf(c net.Conn) (Peer, error) {
	pipe, err := pipeHandle(c)
	if err != nil {
		return Peer{}, err
	}
	var pid uint32
	if err := windows.GetNamedPipeClientProcessId(pipe, &pid); err != nil {
		return Peer{}, err
	}
	sid, err := processUser(pid)
	if err != nil {
		return Peer{PID: int(pid)}, nil // a protected process: its number is all there is
	}
	return Peer{User: sid, PID: int(pid)}, nil
}

// processUser returns the SID of the account that a process runs as.
func processUser(pid uint32) (string, error) {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return "", err
	}
	defer windows.CloseHandle(process)
	var token windows.Token
	if err := windows.OpenProcessToken(process, windows.TOKEN_QUERY, &token); err != nil {
		return "", err
	}
	defer token.Close()
	user, err := token.GetTokenUser()
	if err != nil {
		return "", err
	}
	return user.User.Sid.String(), nil
}

// checkServer accepts a pipe of the system, of the administrators, of the service
// and of this account. What a client sends may be secret, and any account may
// make a pipe of any name that is free.
func checkServer(c net.Conn, path string) error {
	pipe, err := pipeHandle(c)
	if err != nil {
		return err
	}
	sd, err := windows.GetSecurityInfo(pipe, windows.SE_KERNEL_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return err
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return err
	}
	if trusted, err := access.IsTrusted(owner); err != nil || trusted {
		return err
	}
	return fault.New(fault.PermissionDenied, "", "%s belongs to %s, who is neither the system nor you", path, owner).
		WithHint("do not trust it; name the daemon's own pipe with --socket")
}

func pipeHandle(c net.Conn) (windows.Handle, error) {
	pipe, ok := c.(interface{ Fd() uintptr })
	if !ok {
		return 0, errors.New("not a named pipe")
	}
	return windows.Handle(pipe.Fd()), nil
}
