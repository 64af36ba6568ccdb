package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"tunneld/internal/sshtest"
)

// peak is the most memory that the daemon ever had, in bytes; 0 where there is
// none.
func (p *process) peak() int {
	if p.cmd == nil {
		return 0
	}
	return peakOf(p.cmd.Process.Pid)
}

// peakOf is the most memory that a process ever had, in bytes; 0 when it is over.
func peakOf(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, found := strings.Cut(string(text), "VmHWM:")
	if err != nil || !found {
		return 0
	}
	n, _ := strconv.Atoi(strings.Fields(rest)[0])
	return n << 10
}

// runWatched runs a command, and returns the most memory that it had. What the
// system tells of a process that is over counts its parent's.
func runWatched(cmd *exec.Cmd) (peak int, err error) {
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	over := make(chan error, 1)
	go func() { over <- cmd.Wait() }()
	for {
		select {
		case err := <-over:
			return peak, err
		case <-time.After(10 * time.Millisecond):
			peak = max(peak, peakOf(cmd.Process.Pid))
		}
	}
}

// What goes through exec and cp arrives as it was, and is not kept: a bulk that is
// four times as large takes no more memory, of the daemon or the command.
func TestBulkIsNotKept(t *testing.T) {
	t.Setenv("GOGC", "50") // the less is left lying about, the more is seen of what is kept
	const bulk, slack = 24 << 20, 12 << 20
	eachWay(t, bare(t), "", func(t *testing.T, p *process) {
		dir := t.TempDir()
		carriers := map[string]func(n int64) int{
			"exec":    p.echoes,
			"cp up":   func(n int64) int { return p.copies(n, dir, dir+"/a", "work:"+dir+"/b") },
			"cp down": func(n int64) int { return p.copies(n, dir, "work:"+dir+"/a", dir+"/b") },
		}
		before := map[string]int{}
		for name, carry := range carriers {
			before[name] = carry(bulk / 4)
		}
		daemon := p.peak()
		for name, carry := range carriers {
			if now := carry(bulk); now > before[name]+slack {
				t.Errorf("%s: the command grew from %d to %d MiB", name, before[name]>>20, now>>20)
			}
		}
		if now := p.peak(); now > daemon+slack {
			t.Errorf("the daemon grew from %d to %d MiB", daemon>>20, now>>20)
		}
	})
}

// echoes sends n bytes to the server and back, and returns the most memory that
// the command had.
func (p *process) echoes(n int64) int {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 4*patience)
	defer cancel()
	cmd, hash := p.remote(ctx, "exec", "work", "cat"), sha256.New()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = sshtest.Pattern(n), hash, os.Stderr
	peak, err := runWatched(cmd)
	if got, want := fmt.Sprintf("%x", hash.Sum(nil)), sshtest.Digest(sshtest.Pattern(n)); !strings.HasSuffix(want, got) || err != nil {
		p.t.Errorf("%d bytes: %s, want %s, %v", n, got, want, err)
	}
	return peak
}

// copies makes a file of n bytes in dir, copies it from a to b, and returns the
// most memory that the command had.
func (p *process) copies(n int64, dir, from, to string) int {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 4*patience)
	defer cancel()
	want := bulky(p.t, dir+"/a", n)
	cmd := p.remote(ctx, "cp", from, to)
	cmd.Stderr = os.Stderr
	peak, err := runWatched(cmd)
	if got := fileDigest(p.t, dir+"/b"); got != want || err != nil {
		p.t.Errorf("%d bytes: %s, want %s, %v", n, got, want, err)
	}
	return peak
}
