package control

import (
	"errors"
	"fmt"
	"net"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"

	"tunneld/fault"
	"tunneld/internal/access"
)

// pipeUse is what a member of the group may do with the pipe: read and write,
// but not make another instance of it (FILE_GENERIC_READ and FILE_GENERIC_WRITE
// without FILE_CREATE_PIPE_INSTANCE).
const pipeUse = 0x12019b

// listen makes the first instance of a pipe, so nobody else's can stand in its
// place; go-winio asks for that, and rejects clients of other machines.
func listen(path string, o ListenOptions) (net.Listener, error) {
	list, err := pipeAccess(o.Group)
	if err != nil {
		return nil, err
	}
	l, err := winio.ListenPipe(path, &winio.PipeConfig{SecurityDescriptor: list})
	for _, taken := range []error{windows.ERROR_ACCESS_DENIED, windows.ERROR_PIPE_BUSY, windows.ERROR_ALREADY_EXISTS} {
		if errors.Is(err, taken) {
			return nil, fault.New(fault.DaemonRunning, "", "another process serves %s already", path).
				WithHint("stop it first, or give this one a folder of its own with --config")
		}
	}
	return l, err
}

// pipeAccess is the pipe's owner and who may use it, in SDDL. The machine's
// service owns it by its own SID, so that clients know it whatever its account.
func pipeAccess(group string) (string, error) {
	me, err := access.Me()
	if err != nil {
		return "", err
	}
	list := fmt.Sprintf("O:%[1]sD:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;%[1]s)", me)
	if group == "" {
		return list, nil
	}
	if sid, _, _, err := windows.LookupSID("", group); err == nil {
		list += fmt.Sprintf("(A;;%#x;;;%s)", pipeUse, sid)
	}
	return list, nil
}
