package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tunneld/control"
	"tunneld/daemon"
	"tunneld/internal/sshtest"
)

// quietly is daemon.toml for a daemon to which more happens than a test can
// read.
const quietly = "log_format = \"json\"\nlog_level = \"warn\"\n"

// makeEvents has n things happen to the daemon at path: requests for a profile
// that is not there, with a name of that many bytes.
func makeEvents(t *testing.T, path string, n, bytes int) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	defer client.CloseIdleConnections()
	for range n {
		answer, err := client.Post("http://tunneld/v1/profiles/"+strings.Repeat("x", bytes)+"/up", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
}

// awaitAnswer waits until the daemon at path answers.
func awaitAnswer(t *testing.T, path string) {
	t.Helper()
	sshtest.Eventually(t, patience, "answers", func() bool {
		_, err := control.New(path).Status(t.Context())
		return err == nil
	})
}

// resident is the memory of the daemon, in KiB (proc(5)).
func (p *process) resident() int {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nVmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		p.t.Fatal(err)
	}
	return kib
}

// A follower that reads nothing costs the daemon no memory, and nobody else an
// answer; on disk there is no more than 10 MiB.
func TestFollowerThatReadsNothing(t *testing.T) {
	p := &process{t: t, dir: t.TempDir()}
	p.write("daemon.toml", quietly)
	p.start()
	path := p.client().Path()
	awaitAnswer(t, path)
	makeEvents(t, path, 1000, 5000) // the memory for events is full
	before := p.resident()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /v1/events?follow=1 HTTP/1.1\r\nHost: tunneld\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		makeEvents(t, path, 1000, 5000)
		start := time.Now()
		if _, err := p.client().Status(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("status took %v", took)
		}
	}
	if grown := p.resident() - before; grown > 30<<10 { // 6000 events are 60 MB
		t.Errorf("the daemon grew from %d KiB by %d", before, grown)
	}
	t.Logf("the daemon grew from %d KiB to %d", before, p.resident())
	var size int64
	files, _ := filepath.Glob(filepath.Join(p.dir, "state/events*"))
	for _, name := range files {
		if info, err := os.Stat(name); err == nil {
			size += info.Size()
		}
	}
	if size > 10<<20 || size < 5<<20 || len(files) != 2 {
		t.Errorf("%d bytes in %q", size, files)
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
}

// A full disk stops nothing and is told once; when there is room, what was kept
// in memory is written.
func TestEventsOnAFullDisk(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount")
	}
	p := &process{t: t, dir: t.TempDir()}
	state, socket := filepath.Join(p.dir, "state"), filepath.Join(p.dir, "socket")
	p.write("daemon.toml", fmt.Sprintf("log_format = 'json'\nsocket = %q\n", socket))
	script := fmt.Sprintf("mkdir %[1]s && mount -t tmpfs -o size=64k none %[1]s && head -c 48k /dev/zero >%[1]s/filler && exec %[2]s run --config %[3]s", state, program, p.dir)
	p.startAs(exec.Command("unshare", "-m", "sh", "-c", script))
	awaitAnswer(t, socket)
	makeEvents(t, socket, 20, 500)
	told := func(message string) {
		t.Helper()
		p.await(0, message, func(e control.Event) bool { return e.Message == message })
	}
	told("events cannot be written")
	makeEvents(t, socket, 5, 500)
	if err := os.Remove(fmt.Sprintf("/proc/%d/root%s/filler", p.cmd.Process.Pid, state)); err != nil {
		t.Fatal(err)
	}
	told("events are written again")
	if n := strings.Count(p.log(), "events cannot be written"); n != 1 {
		t.Errorf("told %d times", n)
	}
	requests := 0
	inside := fmt.Sprintf("/proc/%d/root%s", p.cmd.Process.Pid, state)
	sshtest.Eventually(t, patience, "all are written", func() bool {
		requests = 0
		err := daemon.KeptEvents(inside, func(e control.Event) {
			if e.Message == "request" {
				requests++
			}
		})
		return err == nil && requests == 25
	})
}
