package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// scrape asks for the metrics at an address.
func scrape(addr string) (string, error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + addr + "/metrics")
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, body)
	}
	return string(body), err
}

// measured waits until a scrape at addr has every one of the lines.
func (p *process) measured(addr, what string, lines ...string) {
	p.t.Helper()
	var body string
	var err error
	sshtest.Eventually(p.t, patience, "metrics: "+what+": "+strings.Join(lines, "; "), func() bool {
		body, err = scrape(addr)
		for _, line := range lines {
			if err != nil || !strings.Contains("\n"+body, "\n"+line+"\n") {
				return false
			}
		}
		return true
	})
}

// metricsAt saves daemon.toml with an address of metrics.
func (p *process) metricsAt(addr string) {
	p.t.Helper()
	p.write("daemon.toml", daemonTOML+fmt.Sprintf("metrics = %q\n", addr))
}

// startMeasured runs a daemon whose metrics are at the address that it returns.
func startMeasured(t *testing.T, profiles map[string]string) (*process, string) {
	t.Helper()
	p, addr := &process{t: t, dir: t.TempDir()}, freeAddr(t)
	p.metricsAt(addr)
	for name, text := range profiles {
		p.profile(name, text)
	}
	p.start()
	return p, addr
}

// What Prometheus reads is what went through: every byte in its direction, each
// loss by its code, each wait for the link; and an edit loses none of it.
func TestMetricsAreWhatHappened(t *testing.T) {
	d, sink := sshtest.StartSSHD(t), sshtest.Sink(t)
	local := freeAddr(t)
	text := server(d) + localForward("db", local, sink.Addr) + "hold = \"60s\"\n"
	p, addr := startMeasured(t, map[string]string{"work": text})
	p.measured(addr, "up", `tunneld_link_up{profile="work"} 1`, `tunneld_link_state{profile="work",state="up"} 1`, `tunneld_forward_up{forward="db",profile="work"} 1`, `tunneld_config_last_reload_success 1`)
	const size = 100_003
	back := upload(t, local, size)
	bytes := func(times int) []string {
		return []string{
			fmt.Sprintf(`tunneld_forward_bytes_total{direction="to_server",forward="db",profile="work"} %d`, times*size),
			fmt.Sprintf(`tunneld_forward_bytes_total{direction="from_server",forward="db",profile="work"} %d`, times*back),
			fmt.Sprintf(`tunneld_forward_connections_total{forward="db",profile="work"} %d`, times),
			`tunneld_forward_connections{forward="db",profile="work"} 0`,
		}
	}
	p.measured(addr, "uploaded", bytes(1)...)

	d.KillConnections()
	p.measured(addr, "killed", `tunneld_link_reconnects_total{code="closed_by_server",profile="work"} 1`, `tunneld_link_up{profile="work"} 1`)
	d.Pause(true)
	p.measured(addr, "silent", `tunneld_link_up{profile="work"} 0`)
	waited := make(chan int, 1)
	go func() { waited <- upload(t, local, size) }()
	p.measured(addr, "one waits", `tunneld_forward_connections{forward="db",profile="work"} 1`)
	d.Resume()
	if n := <-waited; n != back {
		t.Errorf("%d bytes came back, want %d", n, back)
	}
	p.measured(addr, "waited", append(bytes(2), `tunneld_link_reconnects_total{code="keepalive_lost",profile="work"} 1`,
		`tunneld_forward_hold_seconds_count{forward="db",profile="work"} 1`)...)

	mark := p.mark()
	p.profile("work", text+"max_connections = 5\n")
	p.forward(mark, "work", "db", "listening")
	p.measured(addr, "edited", bytes(2)...)
	upload(t, local, size)
	p.measured(addr, "uploaded again", bytes(3)...)
	sameThroughTheSocket(t, p, bytes(3))
}

// upload sends n bytes, and returns how many came back.
func upload(t *testing.T, addr string, n int64) int {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer c.Close()
	if _, err := io.Copy(c, sshtest.Pattern(n)); err != nil {
		t.Error(err)
	}
	c.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(c)
	if err != nil || len(answer) == 0 {
		t.Errorf("answer %q, %v", answer, err)
	}
	return len(answer)
}

// sameThroughTheSocket wants the lines from the local API too.
func sameThroughTheSocket(t *testing.T, p *process, lines []string) {
	t.Helper()
	out, err := exec.Command("curl", "-sS", "-m", "20", "--unix-socket", filepath.Join(p.dir, "state", "tunneld.sock"), "http://tunneld/metrics").CombinedOutput()
	if err != nil {
		t.Fatalf("curl: %v\n%s", err, out)
	}
	for _, line := range lines {
		if !strings.Contains(string(out), line+"\n") {
			t.Errorf("not in what the socket says: %s", line)
		}
	}
}

// Nothing listens until daemon.toml says so; a save moves it and ends it. A port
// in use is told and tried again, and harms nobody.
func TestMetricsFollowTheFile(t *testing.T) {
	t.Parallel()
	p := startDaemon(t, nil)
	p.await(0, "answering", func(e control.Event) bool { return e.Message == "answering" })
	first, taken := freeAddr(t), freeAddr(t)
	p.metricsAt(first)
	p.measured(first, "opened", `tunneld_profile_problems 0`)
	if resp, err := http.Head("http://" + first + "/metrics"); err != nil || resp.StatusCode != 200 {
		t.Errorf("HEAD: %v", err)
	}
	other, err := net.Listen("tcp", taken)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	mark := p.mark()
	p.metricsAt(taken)
	e := p.await(mark, "in use", func(e control.Event) bool { return e.Kind == "api" && e.Code == fault.ListenInUse })
	if !strings.Contains(e.Detail, taken) || !strings.Contains(e.Hint, "daemon.toml") || e.Step != "" {
		t.Errorf("event %+v", e)
	}
	if _, err := scrape(first); err == nil {
		t.Error("the old address still answers")
	}
	other.Close()
	p.measured(taken, "free again", `tunneld_profile_problems 0`)
	p.write("daemon.toml", daemonTOML)
	sshtest.Eventually(t, patience, "closed", func() bool { _, err := scrape(taken); return err != nil })
	if err := p.stop(); err != nil {
		t.Error(err)
	}
}

// At a loopback address nothing is given to a web page, and nowhere anything
// but the metrics.
func TestMetricsAreGivenToScrapesAlone(t *testing.T) {
	t.Parallel()
	p, addr := startMeasured(t, nil)
	p.measured(addr, "served", `tunneld_profile_problems 0`)
	for _, c := range []struct {
		method, path, host string
		want               int
	}{
		{"GET", "/metrics", "", 200},
		{"GET", "/metrics", "localhost:9464", 200},
		{"GET", "/metrics", "[::1]:9464", 200},
		{"GET", "/metrics", "evil.example.com", 403},
		{"POST", "/metrics", "", 405},
		{"GET", "/", "", 404},
		{"GET", "/v1/status", "", 404},
		{"GET", "/metrics/x", "", 404},
	} {
		r, err := http.NewRequest(c.method, "http://"+addr+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = c.host
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, answer.Body) // else it is still being answered at the next
		answer.Body.Close()
		if err != nil || answer.StatusCode != c.want {
			t.Errorf("%s %s to %q: %s, want %d; %v", c.method, c.path, c.host, answer.Status, c.want, err)
		}
	}
	for range 20 { // more than the limit, and each stays when it is answered
		c := dialTCP(t, addr)
		defer c.Close()
		if _, err := fmt.Fprintf(c, "GET /metrics HTTP/1.1\r\nHost: %s\r\n\r\n", addr); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 OK\r\n") {
			t.Fatalf("%q, %v", answer, err)
		}
	}
	silent := make([]net.Conn, 0, 20)
	for range cap(silent) { // more than the limit, and none of them speaks
		silent = append(silent, dialTCP(t, addr))
	}
	p.measured(addr, "after those that said nothing", `tunneld_profile_problems 0`)
	if _, err := io.ReadAll(silent[0]); err != nil {
		t.Errorf("not closed: %v", err)
	}
}
