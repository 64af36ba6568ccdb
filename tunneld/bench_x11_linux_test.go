package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"tunneld/internal/sshtest"
)

// x11Tests are x11perf's: two of round trips, two of requests that nobody answers,
// bulk both ways; and how often each, for half a second or so.
var x11Tests = []struct {
	name string
	reps int
}{{"prop", 4000}, {"getimage10", 4000}, {"noop", 2_000_000}, {"rect100", 5000}, {"putimage500", 60}, {"getimage500", 60}}

// BenchmarkX11perf draws by the daemon and in turn by ssh, with programs that are
// restricted (ssh -X as it is without Debian's settings) and trusted (-Y), at the
// same server and on the same display.
func BenchmarkX11perf(b *testing.B) {
	x, d := sshtest.StartXvfb(b, "-screen", "0", "1024x768x24"), sshtest.StartSSHD(b, "X11Forwarding yes", "SetEnv HOME="+b.TempDir())
	p := quietDaemon(b, map[string]string{"work": serverWith(d, d.Addr, "")})
	p.link(0, "work", "up")
	for _, test := range x11Tests {
		line := fmt.Sprintf("x11perf -repeat 1 -reps %d -%s", test.reps, test.name)
		b.Run(test.name, func(b *testing.B) { benchmarkX11(b, x, d, p, line) })
	}
}

func benchmarkX11(b *testing.B, x *sshtest.Xvfb, d *sshtest.SSHD, p *process, line string) {
	options := []string{"-q", "-F", "none", "-p", strconv.Itoa(d.Port), "-i", d.ClientKey, "-o", "UserKnownHostsFile=" + d.KnownHosts, "-l", d.User}
	ssh := func(more ...string) func() *exec.Cmd {
		return func() *exec.Cmd { return x.Command("ssh", append(append(options, more...), d.Host, line)...) }
	}
	shows := []struct {
		name    string
		command func() *exec.Cmd
	}{
		{"tunneld-X", func() *exec.Cmd { return p.commandOn(x, "x11", "work", line) }},
		{"ssh-X", ssh("-X", "-o", "ForwardX11Trusted=no")},
		{"tunneld-Y", func() *exec.Cmd { return p.commandOn(x, "x11", "-Y", "work", line) }},
		{"ssh-Y", ssh("-Y")},
	}
	speeds := map[string][]float64{}
	for b.Loop() {
		for range rounds {
			for _, s := range shows {
				speeds[s.name] = append(speeds[s.name], drawn(b, s.command()))
			}
		}
	}
	for _, s := range shows {
		b.ReportMetric(median(speeds[s.name]), s.name+"/s")
	}
	for _, mode := range []string{"X", "Y"} {
		ratios := make([]float64, rounds)
		for i := range ratios {
			ratios[i] = speeds["tunneld-"+mode][i] / speeds["ssh-"+mode][i]
		}
		b.ReportMetric(median(ratios), "ratio-"+mode)
	}
	b.ReportMetric(0, "ns/op") // of all rounds: means nothing
}

// perSecond is what x11perf says of one run.
var perSecond = regexp.MustCompile(`reps @ .*\( *([0-9.]+)/sec\)`)

// drawn runs x11perf and returns how often a second it did its test.
func drawn(b *testing.B, cmd *exec.Cmd) float64 {
	b.Helper()
	out, err := cmd.CombinedOutput()
	found := perSecond.FindSubmatch(out)
	if err != nil || found == nil {
		b.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	n, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
