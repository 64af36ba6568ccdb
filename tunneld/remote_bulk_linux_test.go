package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

func TestBulkArrivesAsItWas(t *testing.T) {
	t.Parallel()
	const bulk = 16 << 20
	eachWay(t, bare(t), "", func(t *testing.T, p *process) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
		defer cancel()
		cmd, sum := p.remote(ctx, "exec", "work", "cat"), sha256.New()
		cmd.Stdin, cmd.Stdout, cmd.Stderr = sshtest.Pattern(bulk), sum, os.Stderr
		err := cmd.Run()
		if got, want := fmt.Sprintf("%x", sum.Sum(nil)), sshtest.Digest(sshtest.Pattern(bulk)); !strings.HasSuffix(want, got) || err != nil {
			t.Errorf("%s, want %s, %v", got, want, err)
		}
		dir := t.TempDir()
		want := bulky(t, dir+"/a", bulk)
		for _, args := range [][]string{{dir + "/a", "work:" + dir + "/b"}, {"work:" + dir + "/b", dir + "/c"}} {
			if out, errs, status := p.runs(nil, append([]string{"cp"}, args...)...); status != 0 {
				t.Error(out, errs)
			}
		}
		if got := fileDigest(t, dir+"/c"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// What goes through is not kept: a bulk that is four times as large takes no more
// memory, of the daemon or the command.
func TestBulkIsNotKept(t *testing.T) {
	t.Setenv("GOGC", "50") // the less is left lying about, the more is seen of what is kept
	const bulk, slack = 64 << 20, 32 << 20
	eachWay(t, bare(t), "", func(t *testing.T, p *process) {
		file := filepath.Join(t.TempDir(), "zeros")
		ways := map[string][]string{
			"exec up":   {"exec", "work", "cat >/dev/null"},
			"exec down": {"exec", "work", "cat " + file},
			"cp up":     {"cp", file, "work:" + file + "-there"},
			"cp down":   {"cp", "work:" + file, file + "-here"},
		}
		before := map[string]int{}
		for name, args := range ways {
			before[name] = p.carries(file, bulk/4, args)
		}
		daemon := p.peak()
		for name, args := range ways {
			if now := p.carries(file, bulk, args); now > before[name]+slack {
				t.Errorf("%s: the command grew from %d to %d MiB", name, before[name]>>20, now>>20)
			}
		}
		if now := p.peak(); now > daemon+slack {
			t.Errorf("the daemon grew from %d to %d MiB", daemon>>20, now>>20)
		}
	})
}

// carries makes a file of n zeros, runs a command with it as its input, and
// returns the most memory that the command had.
func (p *process) carries(file string, n int64, args []string) int {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 4*patience)
	defer cancel()
	zeros, err := os.Create(file)
	if err != nil {
		p.t.Fatal(err)
	}
	defer zeros.Close()
	if err := zeros.Truncate(n); err != nil {
		p.t.Fatal(err)
	}
	cmd := p.remote(ctx, args...)
	cmd.Stdin, cmd.Stderr = zeros, os.Stderr
	peak, err := runWatched(cmd)
	if err != nil {
		p.t.Errorf("%q: %v", args, err)
	}
	return peak
}
