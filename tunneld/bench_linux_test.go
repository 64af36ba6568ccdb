package main

import (
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tunneld/internal/sshtest"
)

// rounds is how often everybody is measured, in turn: the machine's mood then
// changes for all, and medians of ratios within a round hold still.
const rounds = 5

// contenders forward the same ports to the same server: ours comes first.
var contenders = []struct {
	name    string
	run     func(b *testing.B, d *sshtest.SSHD, targets, options []string) *forwarder
	options []string
}{
	{"tunneld", runTunneld, nil},
	{"ssh", runSSH, nil},
	{"ssh-gcm", runSSH, []string{"-c", "aes128-gcm@openssh.com"}},
}

// run starts a contender with a forward to each target.
func run(b *testing.B, who int, d *sshtest.SSHD, targets ...string) *forwarder {
	b.Helper()
	return contenders[who].run(b, d, targets, contenders[who].options)
}

// forwarder is a process with one local forward for each target.
type forwarder struct {
	pid    int
	listen []string // addresses, in the order of the targets
	stop   func()
}

// runTunneld starts the program with the default settings of a link.
func runTunneld(b *testing.B, d *sshtest.SSHD, targets, _ []string) *forwarder {
	f := &forwarder{}
	text := serverWith(d, d.Addr, "")
	for i, target := range targets {
		f.listen = append(f.listen, freeAddr(b))
		text += localForward(string(rune('a'+i)), f.listen[i], target)
	}
	p := quietDaemon(b, map[string]string{"work": text})
	f.pid, f.stop = p.cmd.Process.Pid, func() { p.stop() }
	return f
}

// runSSH starts `ssh -N -L`, without the user's settings and keys.
func runSSH(b *testing.B, d *sshtest.SSHD, targets, options []string) *forwarder {
	f := &forwarder{}
	args := []string{"-N", "-F", "none", "-i", d.ClientKey, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
		"-o", "UserKnownHostsFile=" + d.KnownHosts, "-o", "LogLevel=ERROR"}
	for i, target := range targets {
		f.listen = append(f.listen, freeAddr(b))
		args = append(args, "-L", f.listen[i]+":"+target)
	}
	_, port, _ := net.SplitHostPort(d.Addr)
	cmd := exec.Command("ssh", slices.Concat(args, options, []string{"-p", port, d.User + "@" + d.Host})...)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	f.pid = cmd.Process.Pid
	f.stop = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if b.Failed() {
			b.Logf("ssh said: %s", said.String())
		}
	})
	b.Cleanup(f.stop)
	return f
}

// ready waits until a byte comes back from the echo behind the nth forward.
func (f *forwarder) ready(b *testing.B, n int) {
	b.Helper()
	sshtest.Eventually(b, patience, "a byte through the forward", func() bool {
		c, err := net.Dial("tcp", f.listen[n])
		if err != nil {
			return false
		}
		defer c.Close()
		return tryPing(c, "x") == nil
	})
}

// sample is what one measurement found, by unit.
type sample map[string]float64

// compare measures every contender in each round, and reports the median of
// each, and ours as a multiple of the others'.
func compare(b *testing.B, measure func(who int) sample) {
	for b.Loop() {
		got := make([][]sample, len(contenders))
		for round := range rounds {
			for k := range contenders {
				who := (round + k) % len(contenders)
				got[who] = append(got[who], measure(who))
			}
		}
		for unit := range got[0][0] {
			for who, c := range contenders {
				values, ratios := make([]float64, rounds), make([]float64, rounds)
				for i := range rounds {
					values[i] = got[who][i][unit]
					ratios[i] = got[0][i][unit] / values[i]
				}
				if who == 0 {
					b.ReportMetric(median(values), unit)
					continue
				}
				b.ReportMetric(median(values), c.name+"-"+unit)
				b.ReportMetric(median(ratios), "ratio-"+unit+"-vs-"+c.name)
			}
		}
	}
	b.ReportMetric(0, "ns/op") // of all rounds: means nothing
}

// compareBusy is compare for processes, each new, that forward to an echo, a
// source and a sink.
func compareBusy(b *testing.B, measure func(f *forwarder) sample) {
	d := sshtest.StartSSHD(b)
	targets := []string{sshtest.Echo(b).Addr, sshtest.Script(b, send).Addr, sshtest.Script(b, receive).Addr}
	compare(b, func(who int) sample {
		f := run(b, who, d, targets...)
		defer f.stop()
		f.ready(b, toEcho)
		return measure(f)
	})
}

// The forwards of compareBusy.
const (
	toEcho = iota
	toSource
	toSink
)

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// block is what bulk data consists of, and how it is read: large enough that
// the benchmark's own work is small.
var block = make([]byte, 256<<10)

// send is a sshtest.Script: as many bytes as the client's first line says.
func send(c net.Conn) {
	var left int
	fmt.Fscanln(c, &left)
	for left > 0 {
		n, err := c.Write(block[:min(left, len(block))])
		if err != nil {
			return
		}
		left -= n
	}
}

// receive is a sshtest.Script: it reads to the end, then sends a byte.
func receive(c net.Conn) {
	drain(c)
	c.Write([]byte{1})
}

// drain reads c to its end and returns the number of bytes.
func drain(c net.Conn) (total int) {
	mem := make([]byte, len(block))
	for {
		n, err := c.Read(mem)
		total += n
		if err != nil {
			return total
		}
	}
}

// download opens a stream of n bytes from the source.
func (f *forwarder) download(b testing.TB, n int) *net.TCPConn {
	c := dialTCP(b, f.listen[toSource])
	if _, err := fmt.Fprintln(c, n); err != nil {
		b.Fatal(err)
	}
	return c
}

// down moves n bytes from the server to here, up the other way. They return
// when the last has arrived.
func (f *forwarder) down(b testing.TB, n int) {
	c := f.download(b, n)
	defer c.Close()
	if got := drain(c); got != n {
		b.Errorf("%d of %d bytes came down", got, n)
	}
}

func (f *forwarder) up(b testing.TB, n int) {
	c := dialTCP(b, f.listen[toSink])
	defer c.Close()
	for left := n; left > 0; left -= len(block) {
		if _, err := c.Write(block[:min(left, len(block))]); err != nil {
			b.Error(err)
		}
	}
	c.CloseWrite()
	if n, err := c.Read(make([]byte, 1)); n != 1 {
		b.Errorf("up: no answer: %v", err)
	}
}

// Bulk data: MiB per second, and seconds of the forwarder's processor time per GiB.
func BenchmarkThroughput(b *testing.B) {
	const total = 256 << 20
	ways := []struct {
		name string
		move func(f *forwarder, b testing.TB, n int)
	}{{"down", (*forwarder).down}, {"up", (*forwarder).up}}
	for _, streams := range []int{1, 16} {
		for _, way := range ways {
			b.Run(way.name+"-"+map[int]string{1: "one", 16: "sixteen"}[streams], func(b *testing.B) {
				compareBusy(b, func(f *forwarder) sample {
					before, start := cpuSeconds(b, f.pid), time.Now()
					var all sync.WaitGroup
					for range streams {
						all.Go(func() { way.move(f, b, total/streams) })
					}
					all.Wait()
					took := time.Since(start).Seconds()
					return sample{
						"MiB/s":     total / (1 << 20) / took,
						"cpu-s/GiB": (cpuSeconds(b, f.pid) - before) * (1 << 30) / total,
					}
				})
			})
		}
	}
}

// A 64-byte message there and back beside a download that never ends.
func BenchmarkEchoBesideBulk(b *testing.B) {
	const count = 300
	compareBusy(b, func(f *forwarder) sample {
		bulk := f.download(b, 1<<40)
		defer bulk.Close()
		if _, err := io.CopyN(io.Discard, bulk, 8<<20); err != nil {
			b.Fatal(err)
		}
		var rest sync.WaitGroup
		defer rest.Wait()
		defer bulk.Close()
		rest.Go(func() { drain(bulk) })
		c := dialTCP(b, f.listen[toEcho])
		defer c.Close()
		took := make([]float64, count)
		for i := range took {
			start := time.Now()
			ping(b, c, strings.Repeat("e", 64))
			took[i] = time.Since(start).Seconds() * 1e3
		}
		slices.Sort(took)
		return sample{"p50-ms": took[count/2], "p99-ms": took[count*99/100]}
	})
}

// Open, a byte there and back, close, one after another.
func BenchmarkConnectionsPerSecond(b *testing.B) {
	const count = 400
	compareBusy(b, func(f *forwarder) sample {
		before, start := cpuSeconds(b, f.pid), time.Now()
		for range count {
			c := dialTCP(b, f.listen[toEcho])
			ping(b, c, "x")
			c.Close()
		}
		took := time.Since(start).Seconds()
		return sample{"conns/s": count / took, "cpu-ms/conn": (cpuSeconds(b, f.pid) - before) * 1e3 / count}
	})
}
