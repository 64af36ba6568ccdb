//go:build system

package install_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"tunneld/internal/sshtest"
)

// Where things are in a machine.
const (
	echoAddr = "127.0.0.1:7007" // reached by way of the server
	here     = "127.0.0.1:5432" // the forward
	profile  = "/etc/tunneld/profiles/work.toml"
)

// workProfile leads to the machine's own SSH server, as root with a key.
func workProfile(key, more string) string {
	return fmt.Sprintf(`server = { host = "127.0.0.1", user = "root" }
auth = { identity_files = [%q], agent = "none" }
link = { reconnect_min = "50ms", reconnect_max = "300ms" }
[[forward.local]]
name = "db"
listen = "localhost:5432"
target = %q
%s`, key, echoAddr, more)
}

// serveEcho answers in the machine with what it hears.
func (m *machine) serveEcho() {
	m.t.Helper()
	var ln net.Listener
	err := m.inNetwork(func() (err error) {
		ln, err = net.Listen("tcp", echoAddr)
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { ln.Close() })
	go answer(ln)
}

func answer(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go echo(c)
	}
}

func echo(c net.Conn) {
	defer c.Close()
	_, _ = io.Copy(c, c) // its end is the client's affair
}

// ping sends a word through a forward and wants it back.
func (m *machine) ping(address string) error {
	c, err := m.dial(address)
	if err != nil {
		return err
	}
	defer c.Close()
	return pingOn(c)
}

// pingFile is ping through a socket in the machine's file system.
func (m *machine) pingFile(path string) error {
	c, err := net.DialTimeout("unix", fmt.Sprintf("/proc/%d/root%s", m.leader(), path), patience)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	return pingOn(c)
}

// connect only connects.
func (m *machine) connect(address string) error {
	c, err := m.dial(address)
	if err != nil {
		return err
	}
	return c.Close()
}

func pingOn(c net.Conn) error {
	const word = "hello"
	if _, err := io.WriteString(c, word); err != nil {
		return err
	}
	got := make([]byte, len(word))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if string(got) != word {
		return fmt.Errorf("%q came back", got)
	}
	return nil
}

// wantPing waits until a forward works.
func (m *machine) wantPing(address string) {
	m.t.Helper()
	var last error
	sshtest.Eventually(m.t, patience, "a connection through "+address, func() bool {
		last = m.ping(address)
		return last == nil
	})
}

// trustServer lets every account of the machine know its SSH server, and a key in.
func (m *machine) trustServer(key string) {
	m.t.Helper()
	m.sh(`for f in /etc/ssh/ssh_host_*_key.pub; do awk '{print "127.0.0.1", $1, $2}' $f; done >/etc/ssh/ssh_known_hosts
		mkdir -p -m 700 /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f ` + key + `; cat ` + key + `.pub >>/root/.ssh/authorized_keys`)
}

// serve installs the service with one profile and starts it.
func (m *machine) serve(more string) {
	m.t.Helper()
	m.sh("tunneld service install")
	m.trustServer("/etc/tunneld/keys/work")
	m.sh("chown tunneld /etc/tunneld/keys/work")
	m.put(profile, []byte(workProfile("/etc/tunneld/keys/work", more)), 0o644)
	m.serveEcho()
	m.sh("tunneld service start")
	m.wantPing(here)
}

// pid is the daemon's process id, in the machine.
func (m *machine) pid() string {
	m.t.Helper()
	return m.sh("systemctl show -p MainPID --value tunneld")
}

// awaitRestart waits until another process than the old one runs and works.
func (m *machine) awaitRestart(old string) {
	m.t.Helper()
	m.await("a new process", "systemctl is-active tunneld && test $(systemctl show -p MainPID --value tunneld) != "+old)
	m.wantPing(here)
}

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
	m.serve("[[forward.local]]\nlisten = '127.0.0.1:80'\ntarget = '" + echoAddr + "'\n")
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

// The service has the account, the one capability and the files that it needs.
func (m *machine) testPower(t *testing.T) {
	m.step(t)
	m.wantPing("127.0.0.1:80")
	pid := m.pid()
	m.says("cat /proc/"+pid+"/status", "NoNewPrivs:\t1", "CapEff:\t0000000000000400", "Seccomp:\t2")
	m.says("systemctl show -p User tunneld; stat -c '%U %a' /run/tunneld/tunneld.sock /var/lib/tunneld/events.jsonl", "User=tunneld", "tunneld 660", "tunneld 600")
	m.says("grep ^Max.core /proc/"+pid+"/limits", "0")
	m.fails(1, "nsenter -t "+pid+" -m touch /etc/x", "Read-only")
	m.fails(2, "nsenter -t "+pid+" -m ls /home/ana", "No such file")
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
