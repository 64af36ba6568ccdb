//go:build system

package install_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/proxy"

	"tunneld/internal/sshtest"
)

func TestInstall(t *testing.T) {
	m := boot(t)
	m.fails(3, "tunneld service status", "not installed")
	m.fails(1, "tunneld service start", "not installed", "hint: tunneld service install")
	m.sh("useradd -m ana; useradd -m bob")
	m.fails(1, "runuser -u ana -- tunneld service install", "permission_denied", "hint: use sudo")
	m.sh("cp /usr/local/bin/tunneld /root/; mkdir -m 777 /opt/wide; cp /usr/local/bin/tunneld /opt/wide/")
	m.fails(1, "/root/tunneld service install", "would not see /root/tunneld")
	m.fails(1, "/opt/wide/tunneld service install", "others than root can change /opt/wide")
	m.says("tunneld service install", "wrote /etc/systemd/system/tunneld.service", "made the account tunneld", "made /etc/tunneld/profiles", "enabled tunneld.service")
	m.says("tunneld service install", "is there already")
	if out := m.sh("tunneld service install"); strings.Contains(out, "wrote") || strings.Contains(out, "made") {
		t.Errorf("a second time: %s", out)
	}
	m.says("tunneld service status || true", "installed, starts by itself, not running")

	// Root's commands write what the service can read.
	m.trustServer("/etc/tunneld/keys/work")
	m.sh("chown tunneld /etc/tunneld/keys/work; tunneld init --system work root@127.0.0.1 --key /etc/tunneld/keys/work --forward 5432:" + echoAddr)
	m.serveEcho()
	m.sh("tunneld service start")
	m.says("tunneld service start")
	m.wantPing(here)
	m.await("the status", "systemctl status --no-pager tunneld | grep '1 of 1 profile up'")
	m.says("tunneld service status", "installed, starts by itself, running", "1 of 1 profile up")
	m.sh("usermod -aG tunneld ana; tunneld status; runuser -u ana -- tunneld status")
	m.fails(1, "runuser -u bob -- tunneld status", "permission_denied")

	m.says("tunneld service stop; systemctl show -p ActiveState tunneld", "inactive")
	m.says("tunneld service restart; tunneld service status", "running")
	m.says("tunneld service uninstall", "removed /etc/systemd/system/tunneld.service")
	m.says("tunneld service uninstall", "the service is not installed")
	m.sh("test -e " + profile + " && test -d /var/lib/tunneld && test ! -e /etc/systemd/system/tunneld.service && test ! -e /run/tunneld")
	m.fails(3, "tunneld service status", "not installed")
}

// What befalls a service, and what becomes of it.
func TestServiceLife(t *testing.T) {
	m := boot(t)
	m.serve("")
	t.Run("forwards", m.testForwards)
	t.Run("offline", m.testOffline)
	t.Run("power", m.testPower)
	t.Run("journal", m.testJournal)
	t.Run("reload", m.testReload)
	t.Run("others can change", m.testOthersCanChange)
	t.Run("kill", m.testKill)
	t.Run("watchdog", m.testWatchdog)
	t.Run("credentials", m.testCredentials)
	t.Run("stop", m.testStop)
	t.Run("reboot", m.testReboot)
}

// step makes failures the subtest's, while that runs.
func (m *machine) step(t *testing.T) {
	whole := m.t
	m.t = t
	t.Cleanup(func() { m.t = whole })
}

// Every kind of forward works from inside, with what the unit leaves of the
// machine.
func (m *machine) testForwards(t *testing.T) {
	m.step(t)
	m.put(profile, []byte(workProfile("/etc/tunneld/keys/work", `
[[forward.local]]
listen = "127.0.0.1:80"
target = "127.0.0.1:7007"
[[forward.local]]
listen = "unix:/run/tunneld/db.sock"
mode = "0660"
target = "127.0.0.1:7007"
[[forward.dynamic]]
listen = "127.0.0.1:1080"
[[forward.remote]]
listen = "127.0.0.1:6000"
target = "127.0.0.1:7007"
`)), 0o644)
	for _, address := range []string{here, "[::1]:5432", "127.0.0.1:80", "127.0.0.1:6000"} {
		m.wantPing(address)
	}
	sshtest.Eventually(t, patience, "the socket file", func() bool { return m.pingFile("/run/tunneld/db.sock") == nil })
	m.says("stat -c '%U %G %a' /run/tunneld/db.sock", "tunneld tunneld 660")
	socks, err := proxy.SOCKS5("tcp", "127.0.0.1:1080", nil, m)
	if err != nil {
		t.Fatal(err)
	}
	c, err := socks.Dial("tcp", echoAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := pingOn(c); err != nil {
		t.Error(err)
	}
}

// A machine without a network starts the service all the same: it is ready with
// its local ports.
func (m *machine) testOffline(t *testing.T) {
	m.step(t)
	const far = "/etc/tunneld/profiles/far.toml"
	m.put(far, []byte(`server = { host = "bastion.example.com", user = "ana" }
auth = { agent = "none" }
[[forward.local]]
listen = "127.0.0.1:5500"
target = 80
`), 0o644)
	m.sh("systemctl restart tunneld; systemctl is-active tunneld")
	if err := m.connect("127.0.0.1:5500"); err != nil {
		t.Error(err)
	}
	m.await("the status", "systemctl show -p StatusText tunneld | grep '1 of 2 profiles up; far waiting: dns_failed'")
	m.sh("rm " + far)
}

// The service has the account, the one capability and the files that it needs.
func (m *machine) testPower(t *testing.T) {
	m.step(t)
	m.says("grep Umask /proc/$(systemctl show -p MainPID --value tunneld)/status", "0077")
	pid := m.pid()
	m.says("cat /proc/"+pid+"/status", "NoNewPrivs:\t1", "CapEff:\t0000000000000400", "Seccomp:\t2")
	m.says("systemctl show -p User tunneld; stat -c '%U %a' /run/tunneld/tunneld.sock /var/lib/tunneld/events.jsonl", "User=tunneld", "tunneld 660", "tunneld 600")
	m.says("grep ^Max.core /proc/"+pid+"/limits", "0")
	m.fails(1, "nsenter -t "+pid+" -m touch /etc/x", "Read-only")
	m.fails(2, "nsenter -t "+pid+" -m ls /home/ana", "No such file")
	m.sh("touch /tmp/hidden /tmp/.X11-unix/X7; nsenter -t " + pid + " -m test -e /tmp/.X11-unix/X7") // as a display that starts later
	m.fails(2, "nsenter -t "+pid+" -m ls /tmp/hidden", "No such file")
	m.fails(1, "nsenter -t "+pid+" -m touch /tmp/.X11-unix/X8", "Read-only")
}

func (m *machine) testJournal(t *testing.T) {
	m.step(t)
	m.says("journalctl -u tunneld -o json TUNNELD_PROFILE=work TUNNELD_STATE=up -n 1", `"TUNNELD_KIND":"link"`, `"PRIORITY":"6"`, `"MESSAGE":"work: link up`)
}

// A reload is done when systemctl returns or soon after, and the service is
// active again.
func (m *machine) testReload(t *testing.T) {
	m.step(t)
	pid := m.pid()
	m.put("/etc/tunneld/daemon.toml", []byte("watch = false\n"), 0o644)
	m.sh("systemctl reload tunneld")
	m.await("watch = false", "tunneld check --system && systemctl is-active tunneld")
	more := "[[forward.local]]\nname = 'more'\nlisten = '127.0.0.1:%d'\ntarget = '" + echoAddr + "'\n"
	m.put(profile, []byte(workProfile("/etc/tunneld/keys/work", fmt.Sprintf(more, 6001))), 0o644)
	m.sh("systemctl reload tunneld")
	m.wantPing("127.0.0.1:6001")
	m.await("active again", "systemctl is-active tunneld")
	if now := m.pid(); now != pid {
		t.Errorf("process %s became %s", pid, now)
	}
}

// A file that others can change does not count; the version from before does.
func (m *machine) testOthersCanChange(t *testing.T) {
	m.step(t)
	m.sh("chmod 666 " + profile + "; systemctl reload tunneld")
	m.await("the problem", "tunneld status --json | grep -F 'others can change "+profile+"'")
	m.wantPing(here)
	m.sh("chmod 644 " + profile + "; systemctl reload tunneld")
	m.await("no problem", "! tunneld status --json | grep 'others can change'")

	// Its unit makes everything else read-only for the service, and for it alone.
	const key = "/etc/ssh/lent"
	m.sh("cp /etc/tunneld/keys/work " + key + "; chown tunneld " + key + "; chmod 620 " + key)
	m.put(profile, []byte(workProfile(key, "")), 0o644)
	m.sh("systemctl reload tunneld")
	m.await("the refusal", "(tunneld status || true) | grep 'chmod 600 "+key+"'")
	m.sh("chmod 600 " + key)
	m.wantPing(here)
	m.put(profile, []byte(workProfile("/etc/tunneld/keys/work", "")), 0o644)
	m.sh("systemctl reload tunneld")
	m.wantPing(here)
}

func (m *machine) testKill(t *testing.T) {
	m.step(t)
	old := m.pid()
	m.sh("kill -KILL " + old)
	m.awaitRestart(old)
}

// A process that does not answer the watchdog is replaced.
func (m *machine) testWatchdog(t *testing.T) {
	m.step(t)
	m.put("/etc/systemd/system/tunneld.service.d/soon.conf", []byte("[Service]\nWatchdogSec=2s\n"), 0o644)
	m.sh("systemctl daemon-reload; systemctl restart tunneld")
	m.wantPing(here)
	old := m.pid()
	// It lives while it answers: longer than the watchdog's time.
	m.sh("sleep 5; test $(systemctl show -p MainPID --value tunneld) = " + old)
	m.sh("kill -STOP " + old)
	m.awaitRestart(old)
	m.says("journalctl -u tunneld --no-pager", "Watchdog timeout")
	m.sh("rm /etc/systemd/system/tunneld.service.d/soon.conf; systemctl daemon-reload")
}

// systemd hands over a key that only root can read, and its passphrase.
func (m *machine) testCredentials(t *testing.T) {
	m.step(t)
	m.sh(`ssh-keygen -q -t ed25519 -N secret -f /root/locked; cat /root/locked.pub >>/root/.ssh/authorized_keys
		(umask 077; printf secret >/root/passphrase)`)
	m.put("/etc/systemd/system/tunneld.service.d/keys.conf", []byte("[Service]\nLoadCredential=work-key:/root/locked\nLoadCredential=work-passphrase:/root/passphrase\n"), 0o644)
	text := workProfile("${CREDENTIALS_DIRECTORY}/work-key", "")
	text = strings.Replace(text, `agent = "none"`, `agent = "none", passphrase = "credential:work-passphrase"`, 1)
	m.put(profile, []byte(text), 0o644)
	m.sh("systemctl daemon-reload; systemctl restart tunneld")
	m.wantPing(here)
	m.says("tunneld status --json", `"auth": "publickey`)
}

// everySSHD sets pids.
const everySSHD = "pids=$(grep -lx sshd /proc/[0-9]*/comm 2>/dev/null | cut -d/ -f3); "

// A stop is bounded, although a connection is open and its server is silent.
func (m *machine) testStop(t *testing.T) {
	m.step(t)
	c, err := m.dial(here)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := pingOn(c); err != nil {
		t.Fatal(err)
	}
	m.sh(everySSHD + "kill -STOP $pids")
	began := time.Now()
	m.sh("systemctl stop tunneld")
	if took := time.Since(began); took > 12*time.Second {
		t.Errorf("it took %v", took)
	}
	m.says("systemctl show -p Result tunneld", "success")
	if err := m.ping(here); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("after the stop: %v", err)
	}
	m.sh(everySSHD + "kill -CONT $pids; systemctl start tunneld")
	m.wantPing(here)
}

// The machine's start is the service's.
func (m *machine) testReboot(t *testing.T) {
	m.step(t)
	_, _ = m.try("systemctl poweroff") // which may end this very command
	select {
	case <-m.over:
	case <-time.After(patience):
		t.Fatal("it does not go off")
	}
	m.start()
	m.await("the service", "systemctl is-active tunneld")
	m.serveEcho()
	m.wantPing(here)
}
