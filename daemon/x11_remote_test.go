package daemon

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"tunneld/internal/sshtest"
)

// A display at the server that was shown on, lost with its connection and found
// again leaves nothing behind.
func TestRemoteDisplayLeaksNothing(t *testing.T) {
	sshtest.Leaks(t)
	home := t.TempDir()
	x, d, echo := sshtest.StartXvfb(t), sshtest.StartSSHD(t, "SetEnv HOME="+home), sshtest.Echo(t)
	_, port, _ := net.SplitHostPort(sshtest.FreeAddr(t))
	n, _ := strconv.Atoi(port)
	number := n - x11Port
	s, _ := supervise(t, map[string]string{"work": profileFor(d, sshtest.FreeAddr(t), echo.Addr) +
		fmt.Sprintf("[x11]\ndisplay = %q\nxauthority = %q\nremote_display = %d\n", x.Display, x.Authority, number)})
	shows := func() bool {
		cmd := sshtest.XCommand(remoteName(number), filepath.Join(home, ".Xauthority"), "xdpyinfo", "-queryExtensions")
		return cmd.Run() == nil
	}
	sshtest.Eventually(t, patience, "a window", shows)
	for n := range 3 {
		d.KillConnections()
		sshtest.Eventually(t, patience, "the link is back", func() bool { return s.profile("work").Reconnects > n })
		sshtest.Eventually(t, patience, "a window after a kill", shows)
	}
	if r := s.profile("work").X11.Remote; r.State != remoteReady || r.Error != nil {
		t.Errorf("%+v", r)
	}
	s.want(t, "ready", series{`tunneld_x11_remote_display_up{profile="work"}`: 1})
}
