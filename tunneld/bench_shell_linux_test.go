package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"tunneld/internal/sshtest"
)

// BenchmarkKeystroke is the echo of a key in one session while another's output
// is more than anybody reads; the bound is 50 ms.
func BenchmarkKeystroke(b *testing.B) {
	d := bare(b)
	p := startDaemon(b, map[string]string{"work": server(d)})
	p.link(0, "work", "up")
	flood := p.remote(b.Context(), "exec", "work", "cat /dev/zero")
	flood.Stdout = io.Discard
	if err := flood.Start(); err != nil {
		b.Fatal(err)
	}
	defer flood.Wait()
	defer flood.Process.Kill()
	keys := p.remote(b.Context(), "exec", "work", "cat")
	in, _ := keys.StdinPipe()
	out, _ := keys.StdoutPipe()
	if err := keys.Start(); err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	key := []byte{'x'}
	for b.Loop() {
		start := time.Now()
		if _, err := in.Write(key); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(out, key); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	in.Close()
	if err := keys.Wait(); err != nil {
		b.Error(err)
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkExec carries 1 GiB each way, beside ssh.
func BenchmarkExec(b *testing.B) {
	const size = 1 << 30
	d := bare(b)
	p := startDaemon(b, map[string]string{"work": server(d)})
	p.link(0, "work", "up")
	ssh := func(line string) *exec.Cmd {
		return exec.CommandContext(b.Context(), "ssh", "-F", "none", "-i", d.ClientKey, "-o", "IdentitiesOnly=yes", "-o", "UserKnownHostsFile="+d.KnownHosts, "-p", strconv.Itoa(d.Port), d.User+"@"+d.Host, line)
	}
	alone := prepareDaemon(b, map[string]string{"work": server(d)})
	for name, command := range map[string]func(string) *exec.Cmd{
		"daemon": func(line string) *exec.Cmd { return p.remote(context.Background(), "exec", "work", line) },
		"alone":  func(line string) *exec.Cmd { return alone.remote(context.Background(), "exec", "work", line) },
		"ssh":    ssh,
	} {
		b.Run(name+"/down", func(b *testing.B) {
			carry(b, command("head -c "+strconv.Itoa(size)+" /dev/zero"), size, 0)
			remember(b, name, p)
		})
		b.Run(name+"/up", func(b *testing.B) {
			carry(b, command("cat >/dev/null"), size, size)
			remember(b, name, p)
		})
	}
}

// remember reports the most memory that the daemon ever had.
func remember(b *testing.B, name string, p *process) {
	if name == "daemon" {
		b.ReportMetric(float64(p.peak())/(1<<20), "daemon-MiB")
	}
}

// carry runs a command that carries size bytes, input of them up, and reports the
// most memory that it ever had.
func carry(b *testing.B, cmd *exec.Cmd, size, input int64) {
	b.SetBytes(size)
	most := 0
	for b.Loop() {
		again := exec.Command(cmd.Path, cmd.Args[1:]...)
		again.Env, again.Stdin, again.Stdout, again.Stderr = cmd.Env, sshtest.Pattern(input), io.Discard, os.Stderr
		peak, err := runWatched(again)
		if err != nil {
			b.Fatal(err)
		}
		most = max(most, peak)
	}
	b.ReportMetric(float64(most)/(1<<20), "command-MiB")
}
