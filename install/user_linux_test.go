//go:build system

package install_test

import (
	"testing"
)

// An account's own service, with its own profiles and without root.
func TestUserService(t *testing.T) {
	m := boot(t)
	m.sh("useradd -m ana; loginctl enable-linger ana")
	m.trustServer("/home/ana/key")
	m.sh("chown ana /home/ana/key")
	ana := "runuser -u ana -- env HOME=/home/ana XDG_RUNTIME_DIR=/run/user/$(id -u ana) "
	m.await("ana's systemd", ana+"systemctl --user is-system-running | grep -E 'running|degraded'")
	m.says(ana+"tunneld service install --user", "wrote /home/ana/.config/systemd/user/tunneld.service", "enabled tunneld.service")
	m.put("/home/ana/.config/tunneld/profiles/work.toml", []byte(workProfile("/home/ana/key", "")), 0o644)
	m.serveEcho()
	m.says(ana+"tunneld service start --user; "+ana+"tunneld service status --user", "installed, starts by itself, running")
	m.wantPing(here)
	m.says(ana+"tunneld status", "work", "up")
	old := m.sh(ana + "systemctl --user show -p MainPID --value tunneld")
	m.says("stat -c %U /proc/"+old+"/environ", "root") // nobody reads its memory, the account's other programs included
	m.sh("kill -KILL " + old)
	m.await("a new process", ana+"systemctl --user is-active tunneld && test $("+ana+"systemctl --user show -p MainPID --value tunneld) != "+old)
	m.wantPing(here)
	c := m.startClients()
	m.sh("sleep 0.3; " + ana + "systemctl --user restart tunneld; sleep 0.3")
	c.wantAllServed(t, "restart")
	m.says(ana+"tunneld service uninstall --user", "removed /home/ana/.config/systemd/user/tunneld.service")
	m.sh("test -e /home/ana/.config/tunneld/profiles/work.toml")
	m.fails(3, ana+"tunneld service status --user", "not installed")
}
