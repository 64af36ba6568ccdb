package identity

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os/user"
	"strings"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"
)

// pipeFolder holds every named pipe of the machine.
const pipeFolder = `\\.\pipe\`

// openSSHPipe is where Windows' own ssh-agent listens.
const openSSHPipe = pipeFolder + "openssh-ssh-agent"

// dialAgent connects to pipe. Where it is OpenSSH's and nobody listens, Pageant
// (PuTTY 0.75 and later) serves in its place.
func dialAgent(ctx context.Context, pipe string) (net.Conn, error) {
	conn, err := winio.DialPipeContext(ctx, pipe)
	if !errors.Is(err, fs.ErrNotExist) || !strings.EqualFold(pipe, openSSHPipe) {
		return conn, err
	}
	pageant, found := findPageant()
	if !found {
		return nil, err
	}
	if conn, err = winio.DialPipeContext(ctx, pageant); err != nil {
		return nil, err
	}
	if err := checkPipeOwner(conn); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// findPageant looks for the user's pipe, pageant.USER.HASH.
func findPageant() (path string, found bool) {
	me, err := user.Current()
	if err != nil {
		return "", false
	}
	name := me.Username[strings.LastIndexByte(me.Username, '\\')+1:]
	pattern, err := windows.UTF16PtrFromString(pipeFolder + "*")
	if err != nil {
		return "", false
	}
	var data windows.Win32finddata
	handle, err := windows.FindFirstFile(pattern, &data)
	if err != nil {
		return "", false
	}
	defer windows.FindClose(handle)
	prefix := strings.ToLower("pageant." + name + ".")
	for err == nil {
		pipe := windows.UTF16ToString(data.FileName[:])
		if strings.HasPrefix(strings.ToLower(pipe), prefix) {
			return pipeFolder + pipe, true
		}
		err = windows.FindNextFile(handle, &data)
	}
	return "", false
}

// checkPipeOwner refuses a pipe of somebody else: any account may make one
// with Pageant's name.
func checkPipeOwner(conn net.Conn) error {
	pipe, ok := conn.(interface{ Fd() uintptr })
	if !ok {
		return errors.New("pageant: the pipe's owner is unknown")
	}
	sd, err := windows.GetSecurityInfo(windows.Handle(pipe.Fd()), windows.SE_KERNEL_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return err
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return err
	}
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return err
	}
	if !owner.Equals(me.User.Sid) {
		return errors.New("pageant: the pipe belongs to another account")
	}
	return nil
}
