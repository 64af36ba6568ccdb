package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// serverWith is the part of a profile that leads to d by way of addr, with
// settings of [link] or none.
func serverWith(d *sshtest.SSHD, addr, link string) string {
	head, _, _ := strings.Cut(serverAt(d, addr), "\nlink = ")
	return head + "\nlink = { " + link + " }\n"
}

// quietDaemon is startDaemon without the cost of debug messages.
func quietDaemon(b *testing.B, profiles map[string]string) *process {
	p := &process{t: b, dir: b.TempDir()}
	p.write("daemon.toml", "log_format = \"json\"\n")
	for name, text := range profiles {
		p.profile(name, text)
	}
	p.start()
	return p
}

// cpuSeconds is what a process has used so far, in steps of 10 ms (proc(5)).
func cpuSeconds(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}

// memory is a process's share of the machine's memory (PSS), in KiB.
func memory(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nPss:")
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib
}

// allowFiles raises the limit of open files here and in the processes to come.
func allowFiles(b *testing.B, n uint64) {
	b.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		b.Fatal(err)
	}
	if limit.Max < n {
		b.Skipf("%d open files are allowed, %d are needed", limit.Max, n)
	}
	old := limit
	limit.Cur = max(limit.Cur, n)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old) })
}

// From the start of the process to the first byte through a forward.
func BenchmarkStart(b *testing.B) {
	d, echo := sshtest.StartSSHD(b), sshtest.Echo(b)
	compare(b, func(who int) sample {
		start := time.Now()
		f := run(b, who, d, echo.Addr)
		defer f.stop()
		f.ready(b, 0)
		return sample{"first-byte-ms": time.Since(start).Seconds() * 1e3}
	})
}

// A thousand connections that have exchanged a byte and wait.
func BenchmarkIdleConnections(b *testing.B) {
	const count = 1000
	allowFiles(b, 8*count)
	d, echo := sshtest.StartSSHD(b), sshtest.Echo(b)
	compare(b, func(who int) sample {
		f := run(b, who, d, echo.Addr)
		defer f.stop()
		f.ready(b, 0)
		before := memory(b, f.pid)
		for range count {
			c := dialTCP(b, f.listen[0])
			defer c.Close()
			ping(b, c, "x")
		}
		with := memory(b, f.pid)
		return sample{"KiB/conn": (with - before) / count, "MiB-at-rest": before / 1024}
	})
}

// From the end of the server's process for the connection, or from the last
// byte of a network that fell silent (keepalive 1 s, 2 misses), to the first
// byte through a new connection. Each time with a new daemon, whose backoff is
// at its beginning.
func BenchmarkRecovery(b *testing.B) {
	d, echo := sshtest.StartSSHD(b), sshtest.Echo(b)
	relay := sshtest.NewRelay(b, d.Addr)
	text := serverWith(d, relay.Addr, `keepalive = "1s", keepalive_misses = 2`)
	b.Run("killed", func(b *testing.B) {
		recoveries(b, text, echo.Addr, func(*process) { d.KillConnections() })
	})
	b.Run("frozen", func(b *testing.B) {
		recoveries(b, text, echo.Addr, func(p *process) {
			mark := p.mark()
			relay.Freeze()
			p.coded(mark, "work", fault.KeepaliveLost)
			relay.Thaw()
		})
	})
}

func recoveries(b *testing.B, text, target string, lose func(*process)) {
	const times = 7
	for b.Loop() {
		var took []float64
		for range times {
			addr := freeAddr(b)
			p := quietDaemon(b, map[string]string{"work": text + localForward("db", addr, target)})
			f := forwarder{listen: []string{addr}}
			f.ready(b, 0)
			start := time.Now()
			lose(p)
			f.ready(b, 0)
			took = append(took, time.Since(start).Seconds())
			p.stop()
		}
		b.ReportMetric(median(took), "s/recovery")
	}
	b.ReportMetric(0, "ns/op")
}

// 200 profiles with four local forwards and a remote one each, in one process:
// until all links are up and all thousand forwards listen, each profile's on an
// address of its own.
func BenchmarkManyProfiles(b *testing.B) {
	const count, locals = 200, 4
	allowFiles(b, 8192)
	d, echo := sshtest.StartSSHD(b), sshtest.Echo(b)
	for b.Loop() {
		set := map[string]string{}
		for i := range count {
			text := serverWith(d, d.Addr, `connect_timeout = "60s"`) + remoteForward("back", "localhost:0", echo.Addr)
			for k := range locals {
				text += localForward(fmt.Sprint("port-", k), fmt.Sprintf("127.1.0.%d:%d", i+1, 9000+k), echo.Addr)
			}
			set[fmt.Sprintf("box-%03d", i)] = text
		}
		start := time.Now()
		p := quietDaemon(b, set)
		sshtest.Eventually(b, 4*patience, "all forwards listen", func() bool { return p.listening() == count*(locals+1) })
		b.ReportMetric(time.Since(start).Seconds(), "s/start")
		b.ReportMetric(cpuSeconds(b, p.cmd.Process.Pid), "cpu-s/start")
		b.ReportMetric(memory(b, p.cmd.Process.Pid)/1024, "MiB")
		p.stop()
	}
	b.ReportMetric(0, "ns/op")
}

// listening counts the forwards whose last state was that.
func (p *process) listening() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := map[string]bool{}
	for _, e := range p.events {
		if e.Kind == "forward" {
			n[e.Profile+"/"+e.Forward] = e.State == "listening"
		}
	}
	total := 0
	for _, on := range n {
		if on {
			total++
		}
	}
	return total
}
