package sshtest_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/internal/sshserver"
	"tunneld/internal/sshtest"
)

const patience = 20 * time.Second

// client is a running ssh program.
type client struct {
	cmd    *exec.Cmd
	exited chan error
}

// runSSH starts `ssh -N` with the right keys for a server.
func runSSH(t *testing.T, addr, user, key, knownHosts string, args ...string) *client {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	args = append([]string{"-F", os.DevNull, "-N", "-T", "-p", port, "-i", key, "-l", user,
		"-o", "UserKnownHostsFile=" + knownHosts, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
		"-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes"}, append(args, host)...)
	c := &client{cmd: exec.Command("ssh", args...), exited: make(chan error, 1)}
	c.cmd.Stderr = os.Stderr
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.exited <- c.cmd.Wait() }()
	t.Cleanup(func() { c.cmd.Process.Kill() })
	return c
}

func (c *client) awaitExit(t *testing.T) {
	t.Helper()
	select {
	case <-c.exited:
	case <-time.After(patience):
		t.Fatal("ssh still runs")
	}
}

// digestThrough sends n bytes and EOF to addr and wants the sink's answer.
func digestThrough(t *testing.T, addr string, n int64) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.Copy(conn, sshtest.Pattern(n)); err != nil {
		t.Fatal(err)
	}
	conn.(*net.TCPConn).CloseWrite()
	got, err := io.ReadAll(conn)
	if want := sshtest.Digest(sshtest.Pattern(n)); err != nil || string(got) != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

func answers(addr string) func() bool {
	return func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
}

// Both servers serve the real client both kinds of forward, half-close
// included.
func TestRealClient(t *testing.T) {
	t.Run("sshd", func(t *testing.T) {
		sshtest.Leaks(t)
		d := sshtest.StartSSHD(t)
		forwardBothWays(t, d.Addr, d.User, d.ClientKey, d.KnownHosts)
	})
	t.Run("sshserver", func(t *testing.T) {
		sshtest.Leaks(t)
		key, path := sshtest.NewKey(t)
		srv := &sshserver.Server{AuthorizedKeys: []ssh.PublicKey{key.PublicKey()}}
		sshtest.Serve(t, srv)
		forwardBothWays(t, srv.Addr(), "ana", path, sshtest.KnownHosts(t, srv.Addr(), srv.HostKeys()...))
	})
}

func forwardBothWays(t *testing.T, addr, user, key, knownHosts string) {
	t.Helper()
	sink := sshtest.Sink(t)
	local, remote := sshtest.FreeAddr(t), sshtest.FreeAddr(t)
	c := runSSH(t, addr, user, key, knownHosts, "-L", local+":"+sink.Addr, "-R", remote+":"+sink.Addr)
	sshtest.Eventually(t, patience, "both forwards listen", func() bool { return answers(local)() && answers(remote)() })
	for _, n := range []int64{0, 1, 3 << 20} {
		digestThrough(t, local, n)
		digestThrough(t, remote, n)
	}
	if len(sink.Peers()) < 6 {
		t.Errorf("the sink saw %d peers", len(sink.Peers()))
	}
	c.cmd.Process.Kill()
	c.awaitExit(t)
	sshtest.Eventually(t, patience, "the remote port is free again", func() bool { return !answers(remote)() })
}

func TestSSHDKillConnections(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	if n := d.Connections(); n != 0 {
		t.Errorf("%d connections at the start", n)
	}
	local := sshtest.FreeAddr(t)
	args := []string{"-L", local + ":" + sshtest.Echo(t).Addr}
	c := runSSH(t, d.Addr, d.User, d.ClientKey, d.KnownHosts, args...)
	sshtest.Eventually(t, patience, "the forward listens", answers(local))
	if n := d.Connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	if d.KillConnections() == 0 {
		t.Error("nothing killed")
	}
	c.awaitExit(t)
	runSSH(t, d.Addr, d.User, d.ClientKey, d.KnownHosts, args...)
	sshtest.Eventually(t, patience, "a second client gets in", answers(local))
	if !strings.Contains(d.Log(), "Accepted publickey for "+d.User) {
		t.Errorf("log: %s", d.Log())
	}
}

func TestSSHDStopStart(t *testing.T) {
	sshtest.Leaks(t)
	d := sshtest.StartSSHD(t)
	local := sshtest.FreeAddr(t)
	c := runSSH(t, d.Addr, d.User, d.ClientKey, d.KnownHosts, "-L", local+":"+sshtest.Echo(t).Addr)
	sshtest.Eventually(t, patience, "the forward listens", answers(local))
	d.Stop()
	c.awaitExit(t)
	if answers(d.Addr)() {
		t.Error("it answers after Stop")
	}
	d.Stop()
	d.Start()
	if !answers(d.Addr)() {
		t.Error("it does not answer after Start")
	}
}

// A paused server holds the connection and says nothing, and takes up where it
// was.
func TestSSHDPause(t *testing.T) {
	d := sshtest.StartSSHD(t)
	local, sink := sshtest.FreeAddr(t), sshtest.Sink(t)
	runSSH(t, d.Addr, d.User, d.ClientKey, d.KnownHosts, "-L", local+":"+sink.Addr)
	sshtest.Eventually(t, patience, "the forward listens", answers(local))
	sshtest.Eventually(t, patience, "the probe is over", func() bool { return len(sink.Peers()) == 1 && sink.Active() == 0 })
	d.Pause(true)
	done := make(chan struct{})
	go func() { defer close(done); digestThrough(t, local, 1000) }()
	if raw, err := net.Dial("tcp", d.Addr); err != nil {
		t.Error(err)
	} else {
		raw.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if n, err := raw.Read(make([]byte, 1)); err == nil {
			t.Errorf("a paused listener sent %d bytes", n)
		}
		raw.Close()
	}
	if len(sink.Peers()) != 1 {
		t.Error("a byte came through while paused")
	}
	d.Resume()
	<-done
}

func TestSSHDReplaceHostKeys(t *testing.T) {
	d := sshtest.StartSSHD(t)
	dial := func() error {
		c := exec.Command("ssh", "-F", os.DevNull, "-p", strconv.Itoa(d.Port), "-i", d.ClientKey, "-l", d.User, "-o", "BatchMode=yes",
			"-o", "UserKnownHostsFile="+d.KnownHosts, "-o", "IdentityAgent=none", d.Host, "true")
		out, err := c.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	if err := dial(); err != nil {
		t.Fatal(err)
	}
	old := d.HostKeys[0]
	d.ReplaceHostKeys()
	if string(old.Marshal()) == string(d.HostKeys[0].Marshal()) {
		t.Error("the key is the same")
	}
	if err := dial(); err == nil || !strings.Contains(err.Error(), "HAS CHANGED") {
		t.Errorf("with new host keys: %v", err)
	}
	d.WriteKnownHosts()
	if err := dial(); err != nil {
		t.Error(err)
	}
}

func TestSSHDExtraLinesWin(t *testing.T) {
	d := sshtest.StartSSHD(t, "AllowTcpForwarding no", "Match User "+"nobody\nX11Forwarding yes")
	c := runSSH(t, d.Addr, d.User, d.ClientKey, d.KnownHosts, "-R", sshtest.FreeAddr(t)+":127.0.0.1:1")
	c.awaitExit(t) // ExitOnForwardFailure
}

func TestAgent(t *testing.T) {
	sshtest.Leaks(t)
	key, path := sshtest.NewKey(t)
	a := sshtest.Agent(t, path)
	list := exec.Command("ssh-add", "-l")
	list.Env = append(os.Environ(), "SSH_AUTH_SOCK="+a.Socket)
	out, err := list.CombinedOutput()
	if err != nil || !strings.Contains(string(out), ssh.FingerprintSHA256(key.PublicKey())) {
		t.Errorf("%v: %s", err, out)
	}
	a.Kill()
	if _, err := net.Dial("unix", a.Socket); err == nil {
		t.Error("it answers after Kill")
	}
}
