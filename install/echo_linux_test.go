//go:build system

package install_test

import (
	"fmt"
	"io"
	"net"
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

// Dial makes the machine's network a proxy.Dialer.
func (m *machine) Dial(_, address string) (net.Conn, error) { return m.dial(address) }

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
