package main

import (
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

// BenchmarkExec carries 1 GiB each way by the daemon, by a link of the command's own,
// and by ssh, in turn.
func BenchmarkExec(b *testing.B) {
	for name, up := range map[string]bool{"up": true, "down": false} {
		b.Run(name, func(b *testing.B) { benchmarkExec(b, up) })
	}
}

func benchmarkExec(b *testing.B, up bool) {
	const size = 1 << 30
	line, input := "head -c "+strconv.Itoa(size)+" /dev/zero", int64(0)
	if up {
		line, input = "cat >/dev/null", size
	}
	d := bare(b)
	p := quietDaemon(b, map[string]string{"work": server(d)})
	p.link(0, "work", "up")
	alone := prepareDaemon(b, map[string]string{"work": server(d)})
	carriers := []struct {
		name    string
		command *exec.Cmd
	}{
		{"daemon", p.remote(b.Context(), "exec", "work", line)},
		{"alone", alone.remote(b.Context(), "exec", "work", line)},
		{"ssh", exec.Command("ssh", "-F", "none", "-i", d.ClientKey, "-o", "IdentitiesOnly=yes", "-o", "UserKnownHostsFile="+d.KnownHosts, "-p", strconv.Itoa(d.Port), d.User+"@"+d.Host, line)},
	}
	speeds := map[string][]float64{}
	for b.Loop() {
		for range rounds {
			for _, c := range carriers {
				start := time.Now()
				carry(b, c.command, input)
				speeds[c.name] = append(speeds[c.name], size>>20/time.Since(start).Seconds())
			}
		}
	}
	for _, c := range carriers {
		b.ReportMetric(median(speeds[c.name]), c.name+"-MiB/s")
		b.ReportMetric(median(speeds[c.name])/median(speeds["ssh"]), c.name+"-ratio-vs-ssh")
	}
	b.ReportMetric(float64(p.peak())/(1<<20), "daemon-MiB")
	b.ReportMetric(0, "ns/op") // of all rounds: means nothing
}

// carry runs a command anew, and gives it so many bytes.
func carry(b *testing.B, cmd *exec.Cmd, input int64) {
	again := exec.Command(cmd.Path, cmd.Args[1:]...)
	again.Env, again.Stdin, again.Stdout, again.Stderr = cmd.Env, sshtest.Pattern(input), io.Discard, os.Stderr
	if err := again.Run(); err != nil {
		b.Fatal(err)
	}
}
