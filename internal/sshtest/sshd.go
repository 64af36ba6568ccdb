package sshtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// startTimeout is how long a helper program may take to be ready, on a machine
// that runs other tests too.
const startTimeout = 20 * time.Second

// SSHD is a real OpenSSH server on 127.0.0.1 with its own keys, configuration
// and log, in a folder of its own.
type SSHD struct {
	Addr string // host:port
	Host string
	Port int
	User string // the account that runs the test, or that of StartAccountSSHD; sshd lets no other in

	ClientKey      string          // path of the private key that it accepts
	AuthorizedKeys string          // path of the file with its public half
	KnownHosts     string          // path of a file with the right host keys
	HostKeys       []ssh.PublicKey // Ed25519, ECDSA, RSA

	t      testing.TB
	dir    string
	extra  []string
	adapt  func(*exec.Cmd) // changes how sshd is run; nil means not at all
	cmd    *exec.Cmd       // nil while stopped
	exited chan struct{}   // closed when cmd is over
}

// StartSSHD starts a server and waits until it listens. The lines of extra
// stand before the usual configuration and so win; a Match block and what
// follows it stand at its end.
func StartSSHD(t testing.TB, extra ...string) *SSHD {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	d := newSSHD(t, me.Username, extra)
	d.begin()
	return d
}

// newSSHD makes the keys of a server.
func newSSHD(t testing.TB, account string, extra []string) *SSHD {
	t.Helper()
	NeedUnix(t, "sshd")
	d := &SSHD{Host: "127.0.0.1", User: account, t: t, dir: t.TempDir(), extra: extra}
	d.ClientKey = d.path("client_key")
	d.AuthorizedKeys = d.path("authorized_keys")
	d.KnownHosts = d.path("known_hosts")
	key := writeKey(t, d.ClientKey, newEd25519(t))
	writeFile(t, d.AuthorizedKeys, ssh.MarshalAuthorizedKey(key))
	d.makeHostKeys()
	return d
}

// begin starts a new server on a port that is free.
func (d *SSHD) begin() {
	d.t.Helper()
	d.t.Cleanup(d.end)
	deadline := time.Now().Add(startTimeout)
	for {
		d.Port = FreePort(d.t)
		d.Addr = net.JoinHostPort(d.Host, strconv.Itoa(d.Port))
		err := d.start()
		if err == nil {
			break
		}
		if !isPortTaken(err) || time.Now().After(deadline) {
			d.t.Fatal(err)
		}
	}
	d.WriteKnownHosts()
}

// Start runs the server again after Stop, with the same port and keys.
func (d *SSHD) Start() {
	d.t.Helper()
	if d.cmd != nil {
		d.t.Fatal("sshd runs already")
	}
	deadline := time.Now().Add(startTimeout)
	for {
		err := d.start()
		if err == nil {
			return
		}
		// The port may be on loan to an outgoing connection.
		if !isPortTaken(err) || time.Now().After(deadline) {
			d.t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Stop ends the server and every connection, as a machine that loses power.
func (d *SSHD) Stop() {
	d.t.Helper()
	if d.cmd == nil {
		return
	}
	sendSignal(sigStop, d.cmd.Process.Pid) // it forks no more
	d.KillConnections()
	d.cmd.Process.Kill()
	<-d.exited
	d.cmd = nil
}

// Log returns what the server has said so far, at LogLevel VERBOSE.
func (d *SSHD) Log() string {
	text, err := os.ReadFile(d.path("log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// end is the cleanup: the log is shown where it may explain a failure.
func (d *SSHD) end() {
	d.Stop()
	if d.t.Failed() {
		d.t.Logf("sshd on %s said:\n%s", d.Addr, tail(d.Log(), 4000))
	}
}

// start runs sshd and returns when it listens, or an error with its own words.
func (d *SSHD) start() error {
	program, err := findSSHD()
	if err != nil {
		return err
	}
	if os.Getuid() == 0 {
		os.MkdirAll("/run/sshd", 0o755) // where sshd confines itself; boot scripts make it
	}
	writeFile(d.t, d.path("sshd_config"), d.config(program))
	log, err := os.OpenFile(d.path("log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	before := len(d.Log())
	cmd := exec.Command(program, "-D", "-e", "-f", d.path("sshd_config"))
	cmd.Stderr = log
	cmd.SysProcAttr = endWithParent()
	if d.adapt != nil {
		d.adapt(cmd)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go reap(cmd, exited)
	if err := d.awaitListening(before, exited); err != nil {
		cmd.Process.Kill()
		<-exited
		return err
	}
	d.cmd, d.exited = cmd, exited
	return nil
}

// awaitListening watches the log from byte `from` on, since a connection to
// try it would count as one.
func (d *SSHD) awaitListening(from int, exited <-chan struct{}) error {
	listening := fmt.Sprintf("Server listening on %s port %d.", d.Host, d.Port)
	deadline := time.After(startTimeout)
	for {
		if strings.Contains(d.Log()[from:], listening) {
			return nil
		}
		select {
		case <-exited:
			return fmt.Errorf("sshd ended at once: %s", strings.TrimSpace(d.Log()[from:]))
		case <-deadline:
			return fmt.Errorf("sshd does not listen after %v: %s", startTimeout, d.Log()[from:])
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (d *SSHD) path(name string) string { return filepath.Join(d.dir, name) }

// findSSHD returns an absolute path, without which sshd refuses to run.
func findSSHD() (string, error) {
	if path, err := exec.LookPath("sshd"); err == nil {
		return filepath.Abs(path)
	}
	const usual = "/usr/sbin/sshd" // often not in a user's PATH
	if _, err := os.Stat(usual); err != nil {
		return "", fmt.Errorf("sshd is not installed: run: make deps")
	}
	return usual, nil
}

// reap waits for cmd, so that it leaves no zombie, and closes done.
func reap(cmd *exec.Cmd, done chan<- struct{}) {
	cmd.Wait()
	close(done)
}

func isPortTaken(err error) bool {
	return strings.Contains(err.Error(), "Address already in use")
}

func tail(text string, n int) string { return text[max(0, len(text)-n):] }
