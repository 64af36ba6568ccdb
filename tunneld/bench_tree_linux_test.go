package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tunneld/internal/sshtest"
)

// BenchmarkCpTree copies 500 files of 1 KiB over a line of 20 ms by the daemon, and in
// turn by scp, which makes a connection of its own.
func BenchmarkCpTree(b *testing.B) {
	for name, up := range map[string]bool{"up": true, "down": false} {
		b.Run(name, func(b *testing.B) { benchmarkCpTree(b, up) })
	}
}

func benchmarkCpTree(b *testing.B, up bool) {
	const count, folders, delay = 500, 10, 10 * time.Millisecond // each way
	d := sshtest.StartSSHD(b)
	far := sshtest.NewRelay(b, d.Addr)
	far.Delay(delay)
	p := quietDaemon(b, map[string]string{"work": serverWith(d, far.Addr, "")})
	p.link(0, "work", "up")
	dir := b.TempDir()
	for i := range count {
		path := filepath.Join(dir, "a", fmt.Sprint(i%folders), fmt.Sprint(i))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, block[:1<<10], 0o600); err != nil {
			b.Fatal(err)
		}
	}
	_, port, _ := net.SplitHostPort(far.Addr)
	scp := []string{"-r", "-q", "-F", "none", "-P", port, "-i", d.ClientKey, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"}
	speeds := map[string][]float64{}
	for b.Loop() {
		for name, cmd := range map[string]*exec.Cmd{
			"tunneld": p.program(append([]string{"cp", "-r"}, ends(up, dir, "work:")...)...),
			"scp":     exec.Command("scp", append(scp, ends(up, dir, d.User+"@"+d.Host+":")...)...),
		} {
			if err := os.RemoveAll(dir + "/b"); err != nil {
				b.Fatal(err)
			}
			start := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%s: %v\n%s", name, err, out)
			}
			speeds[name] = append(speeds[name], count/time.Since(start).Seconds())
		}
	}
	for name, s := range speeds {
		b.ReportMetric(median(s), name+"-files/s")
	}
	b.ReportMetric(median(speeds["tunneld"])/median(speeds["scp"]), "ratio-vs-scp")
	b.ReportMetric(0, "ns/op") // of all rounds: means nothing
}
