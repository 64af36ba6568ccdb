package sshtest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// SSHAgent is a real ssh-agent.
type SSHAgent struct {
	Socket string // what SSH_AUTH_SOCK would hold

	t      testing.TB
	cmd    *exec.Cmd
	exited chan struct{}
}

// Agent starts an ssh-agent and gives it the private keys at these paths.
func Agent(t testing.TB, keys ...string) *SSHAgent {
	t.Helper()
	NeedUnix(t, "ssh-agent")
	dir, err := os.MkdirTemp("", "agent") // short: a socket's path has a limit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	a := &SSHAgent{Socket: filepath.Join(dir, "s"), t: t, exited: make(chan struct{})}
	a.cmd = exec.Command("ssh-agent", "-D", "-a", a.Socket)
	a.cmd.SysProcAttr = endWithParent()
	if err := a.cmd.Start(); err != nil {
		t.Fatalf("%v: run: make deps", err)
	}
	go reap(a.cmd, a.exited)
	t.Cleanup(a.Kill)
	a.awaitSocket()
	for _, key := range keys {
		a.Add(key)
	}
	return a
}

// Add gives the agent another private key.
func (a *SSHAgent) Add(key string) {
	a.t.Helper()
	add := exec.Command("ssh-add", "-q", key)
	add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+a.Socket, "SSH_ASKPASS_REQUIRE=never")
	if out, err := add.CombinedOutput(); err != nil {
		a.t.Fatalf("ssh-add %s: %v: %s", key, err, out)
	}
}

// Kill ends the agent; its socket stays behind and refuses.
func (a *SSHAgent) Kill() {
	a.cmd.Process.Kill()
	<-a.exited
}

func (a *SSHAgent) awaitSocket() {
	a.t.Helper()
	Eventually(a.t, startTimeout, "ssh-agent answers", func() bool {
		conn, err := net.DialTimeout("unix", a.Socket, time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}
