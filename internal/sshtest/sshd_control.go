package sshtest

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
)

// process is one line of ps.
type process struct {
	pid, parent int
	dead        bool // a zombie
}

// KillConnections ends every process of every connection and leaves the
// listener alone, as a server that crashes and is started again. It returns
// how many processes there were.
func (d *SSHD) KillConnections() int {
	d.t.Helper()
	sendSignal(sigStop, d.descendants()...) // a stopped process forks no more
	all := d.descendants()
	sendSignal(syscall.SIGKILL, all...)
	return len(all)
}

// Pause stops the processes of every connection, so that they hold their
// sockets open and answer nothing. With listener, new connections get no
// answer either.
func (d *SSHD) Pause(listener bool) {
	d.t.Helper()
	if listener {
		sendSignal(sigStop, d.cmd.Process.Pid)
	}
	sendSignal(sigStop, d.descendants()...)
}

// Resume lets everything run again that Pause stopped.
func (d *SSHD) Resume() {
	d.t.Helper()
	sendSignal(sigContinue, d.descendants()...)
	sendSignal(sigContinue, d.cmd.Process.Pid)
}

// Connections returns the number of live connections, authenticated or not.
func (d *SSHD) Connections() int {
	d.t.Helper()
	if d.cmd == nil {
		return 0
	}
	n := 0
	for _, p := range d.processes() {
		if p.parent == d.cmd.Process.Pid && !p.dead {
			n++
		}
	}
	return n
}

// descendants are the live processes below the listener.
func (d *SSHD) descendants() []int {
	d.t.Helper()
	if d.cmd == nil {
		return nil
	}
	all := d.processes()
	parents, live := []int{d.cmd.Process.Pid}, []int(nil)
	for len(parents) > 0 {
		parent := parents[0]
		parents = parents[1:]
		for _, p := range all {
			if p.parent == parent && !p.dead && !slices.Contains(live, p.pid) {
				live = append(live, p.pid)
				parents = append(parents, p.pid)
			}
		}
	}
	return live
}

func (d *SSHD) processes() []process {
	d.t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=,stat=").Output()
	if err != nil {
		d.t.Fatalf("ps: %v: run: make deps", err)
	}
	var all []process
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		var p process
		var state string
		if _, err := fmt.Sscan(lines.Text(), &p.pid, &p.parent, &state); err == nil {
			p.dead = state[0] == 'Z'
			all = append(all, p)
		}
	}
	return all
}

// sendSignal reaches each process that is still there.
func sendSignal(sig os.Signal, pids ...int) {
	for _, pid := range pids {
		if p, err := os.FindProcess(pid); err == nil {
			p.Signal(sig)
			p.Release()
		}
	}
}
