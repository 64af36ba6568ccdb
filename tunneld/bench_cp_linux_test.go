package main

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"tunneld/internal/sshtest"
)

// copied is how much a benchmark of cp copies.
const copied = 1 << 30

// BenchmarkCp copies 1 GiB by the daemon, and in turn by scp and sftp, which make a
// connection each, with the most memory that each ever had.
func BenchmarkCp(b *testing.B) {
	for name, up := range map[string]bool{"up": true, "down": false} {
		b.Run(name, func(b *testing.B) { benchmarkCp(b, up) })
	}
}

func benchmarkCp(b *testing.B, up bool) {
	d := sshtest.StartSSHD(b)
	p := quietDaemon(b, map[string]string{"work": serverWith(d, d.Addr, "")})
	dir := b.TempDir()
	bulky(b, dir+"/a", copied)
	options := []string{"-q", "-F", "none", "-P", strconv.Itoa(d.Port), "-i", d.ClientKey, "-o", "UserKnownHostsFile=" + d.KnownHosts}
	server := d.User + "@" + d.Host
	copiers := []struct {
		name    string
		command func() *exec.Cmd
	}{
		{"tunneld", func() *exec.Cmd { return p.program(append([]string{"cp"}, ends(up, dir, "work:")...)...) }},
		{"scp", func() *exec.Cmd { return exec.Command("scp", append(options, ends(up, dir, server+":")...)...) }},
		{"sftp", func() *exec.Cmd {
			cmd := exec.Command("sftp", append(options, "-b", "-", server)...)
			cmd.Stdin = strings.NewReader(map[bool]string{true: "put ", false: "get "}[up] + dir + "/a " + dir + "/b\n")
			return cmd
		}},
	}
	speeds, most := map[string][]float64{}, map[string]int{}
	for b.Loop() {
		for range rounds {
			for _, c := range copiers {
				start, cmd, out := time.Now(), c.command(), new(strings.Builder)
				cmd.Stdout, cmd.Stderr = out, out
				peak, err := runWatched(cmd)
				if err != nil {
					b.Fatalf("%s: %v\n%s", c.name, err, out)
				}
				most[c.name] = max(most[c.name], peak)
				speeds[c.name] = append(speeds[c.name], copied>>20/time.Since(start).Seconds())
			}
		}
	}
	for _, c := range copiers {
		b.ReportMetric(median(speeds[c.name]), c.name+"-MiB/s")
		b.ReportMetric(float64(most[c.name])/(1<<20), c.name+"-MiB")
		b.ReportMetric(median(speeds["tunneld"])/median(speeds[c.name]), "ratio-vs-"+c.name)
	}
	b.ReportMetric(float64(p.peak())/(1<<20), "daemon-MiB")
	b.ReportMetric(0, "ns/op") // of all rounds: means nothing
}

// ends are the arguments of a copy of a to b in a folder.
func ends(up bool, dir, server string) []string {
	if up {
		return []string{dir + "/a", server + dir + "/b"}
	}
	return []string{server + dir + "/a", dir + "/b"}
}
