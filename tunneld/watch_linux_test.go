package main

import (
	"os/exec"
	"strings"
	"testing"

	"tunneld/control"
	"tunneld/internal/sshtest"
)

// Where the system tells of no changes, that is said, and a save is found by
// looking.
func TestSavesWithoutInotify(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	one, two := freeAddr(t), freeAddr(t)
	with := func(addr string) string { return server(d) + localForward("db", addr, echo.Addr) }
	p := prepareDaemon(t, map[string]string{"work": with(one)})
	run := p.program("run")
	none := append([]string{"-r", "sh", "-c", `echo 0 > /proc/sys/user/max_inotify_instances; exec "$@"`, "-"}, run.Args...)
	deaf := exec.Command("unshare", none...) // util-linux
	deaf.Env = run.Env
	p.startAs(deaf)
	p.forward(0, "work", "db", "listening")
	p.await(0, "word of it", func(e control.Event) bool {
		return e.Message == "saved files are noticed late" && strings.Contains(e.Detail, "inotify")
	})
	mark := p.mark()
	p.replace("work", with(two))
	p.forward(mark, "work", "db", "listening")
	ping(t, dialTCP(t, two), "edited")
}
