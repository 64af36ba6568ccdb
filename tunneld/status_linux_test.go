package main

import (
	"syscall"
	"testing"
	"time"
)

// A daemon that is suspended keeps nobody longer than they wait, and is told from
// one that is not there.
func TestStatusOfASuspendedDaemon(t *testing.T) {
	t.Parallel()
	p := startDaemon(t, nil)
	if _, errs, status := p.tunneld("", "status", "--wait", "20s"); status != 0 {
		t.Fatal(errs)
	}
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer p.cmd.Process.Signal(syscall.SIGCONT)
	began := time.Now()
	out, errs, status := p.tunneld("", "status", "--wait", "300ms")
	wants(t, "status", out, errs, status, exitFailed, "does not answer in time\nhint: it may hang or be suspended")
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("it took %s, as without --wait", took)
	}
}
