package control_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tunneld/control"
)

// curl runs the real one, and returns the status and body of the answer.
func curl(t *testing.T, s *running, args ...string) (status, body string) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl")
	}
	cmd := exec.CommandContext(t.Context(), "curl", append([]string{"-sS", "-m", "20", "-w", "\n%{http_code} %{content_type}", "--unix-socket", s.path}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("curl %q: %v\n%s", args, err, out)
	}
	i := bytes.LastIndexByte(out, '\n')
	return string(out[i+1:]), string(out[:i])
}

func TestCurl(t *testing.T) {
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, bytes.Repeat([]byte(" "), 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &fake{status: control.Status{Version: "a<b>"}}
	s := serve(t, d)
	chunks := []string{"-H", "Transfer-Encoding: chunked", "-H", "Expect:", "-d", "@" + big}
	const doc, bad = "application/json", "application/problem+json"
	for _, c := range []struct {
		args         []string
		status, want string
	}{
		{[]string{"http://tunneld/v1/status"}, "200 " + doc, `"version":"a<b>"`},
		{[]string{"http://localhost/v1/status"}, "200 " + doc, `"version"`},
		{[]string{"http://tunneld/v1/prompts"}, "200 " + doc, `[]`},
		{[]string{"http://tunneld/metrics"}, "200 text/plain; version=0.0.4; charset=utf-8", `tunneld_link_up{profile="work"} 1`},
		{[]string{"-X", "POST", "http://tunneld/metrics"}, "405 " + bad, `/metrics takes GET`},
		{[]string{"http://evil.example/metrics"}, "403 " + bad, `evil.example`},
		{[]string{"-X", "POST", "http://tunneld/v1/reload"}, "200 " + doc, `"changes":[{"verb":"start_forward"`},
		{[]string{"-H", "Origin: http://evil.example", "http://tunneld/v1/status"}, "403 " + bad, `"code":"permission_denied"`},
		{[]string{"-H", "Origin: null", "-X", "POST", "http://tunneld/v1/reload"}, "403 " + bad, `"hint":"leave out`},
		{[]string{"http://evil.example/v1/status"}, "403 " + bad, `evil.example`},
		{[]string{"-0", "-H", "Host:", "http://tunneld/v1/status"}, "403 " + bad, `permission_denied`},
		{[]string{"http://tunneld/v2/status"}, "404 " + bad, `there is no /v2/status`},
		{[]string{"-X", "DELETE", "http://tunneld/v1/prompts"}, "405 " + bad, `/v1/prompts takes GET or POST`},
		{[]string{"-H", "Origin: x", "http://tunneld/nowhere"}, "403 " + bad, `permission_denied`},
		{[]string{"-d", "@" + big, "http://tunneld/v1/prompts"}, "413 " + bad, `too large`},
		{append(chunks, "http://tunneld/v1/prompts"), "413 " + bad, `too large`},
		{append(chunks, "http://tunneld/v1/profiles/work/down"), "413 " + bad, `too large`},
		{append(chunks, "-X", "GET", "http://tunneld/v1/status"), "413 " + bad, `too large`},
		{[]string{"-d", "now", "http://tunneld/v1/profiles/work/down"}, "400 " + bad, `the body: `},
		{[]string{"-X", "DELETE", "-d", `{"secret": "s"}`, "http://tunneld/v1/secrets/x"}, "400 " + bad, `unknown field`},
		{[]string{"--path-as-is", "http://tunneld/v1//status"}, "404 " + bad, `there is no /v1//status`},
		{[]string{"--path-as-is", "-H", "Origin: x", "http://tunneld/v1/../v1/status"}, "403 " + bad, `permission_denied`},
		{[]string{"-X", "OPTIONS", "--request-target", "*", "http://tunneld"}, "404 " + bad, `there is no *`},
		{[]string{"--request-target", "http://evil.example/v1/status", "http://tunneld"}, "403 " + bad, `evil.example`},
		{[]string{"-d", `{"id": 1}`, "http://tunneld/v1/prompts"}, "400 " + bad, `the body: `},
		{[]string{"-d", `{"anwsers": []}`, "http://tunneld/v1/prompts"}, "400 " + bad, `anwsers`},
		{[]string{"-d", `{} {}`, "http://tunneld/v1/prompts"}, "400 " + bad, `more than one`},
		{[]string{"-d", `{`, "http://tunneld/v1/prompts"}, "400 " + bad, `unexpected EOF`},
		{[]string{"-d", `{"secret": "s"}`, "http://tunneld/v1/secrets/a%2Fb"}, "204 ", ``},
	} {
		status, body := curl(t, s, c.args...)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("curl %q: %s\n%s\nwant %s ... %s", c.args, status, body, c.status, c.want)
		}
		if strings.HasSuffix(status, bad) {
			var p map[string]string
			if err := json.Unmarshal([]byte(body), &p); err != nil || len(p) != 3 || p["message"] == "" {
				t.Errorf("curl %q: not a problem: %s", c.args, body)
			}
		}
	}
	if len(d.acted) > 0 {
		t.Errorf("what was refused had an effect: %q", d.acted)
	}
}

// A client that never ends its header is dropped, and hinders nobody else.
func TestSlowHeader(t *testing.T) {
	t.Parallel()
	s := serve(t, &fake{})
	start := time.Now()
	for range 20 {
		slow := dial(t, s.path)
		if _, err := io.WriteString(slow, "GET /v1/status HTTP/1.1\r\nHost: tunneld\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if _, err := io.ReadAll(slow); err != nil {
				t.Errorf("not closed: %v", err)
			}
			if took := time.Since(start); took > 8*time.Second {
				t.Errorf("closed after %s", took)
			}
		}()
	}
	if _, err := s.client.Status(t.Context()); err != nil {
		t.Error(err)
	}
}

// A client that does not read its answer is dropped too.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	s := serve(t, &fake{status: control.Status{Version: strings.Repeat("x", 8<<20)}})
	slow := dial(t, s.path)
	if _, err := io.WriteString(slow, "GET /v1/status HTTP/1.1\r\nHost: tunneld\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if status, err := s.client.Status(t.Context()); err != nil || len(status.Version) != 8<<20 {
		t.Error(err)
	}
	if a := s.access(t, 1); a.Err == nil || !os.IsTimeout(a.Err) {
		t.Errorf("access %v", a.Err)
	}
	if answer, err := http.ReadResponse(bufio.NewReader(slow), nil); err == nil {
		if _, err := io.Copy(io.Discard, answer.Body); err == nil {
			t.Error("the answer came whole")
		}
	}
}

// The server ends while a client holds a connection and sends nothing.
func TestIdleConnectionDoesNotHoldTheServer(t *testing.T) {
	s := serve(t, &fake{})
	silent := dial(t, s.path)
	used := dial(t, s.path)
	if _, err := io.WriteString(used, "GET /v1/status HTTP/1.1\r\nHost: tunneld\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	s.access(t, 0)
	_ = silent // serve's cleanup waits for the end of Serve
}

// getStatus asks for the status and reads no answer.
func getStatus(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.WriteString(c, "GET /v1/status HTTP/1.1\r\nHost: tunneld\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
}

// Who opens connections and says nothing keeps nobody out.
func TestSilenceKeepsNobodyOut(t *testing.T) {
	s := serve(t, &fake{})
	var silent []net.Conn
	for range 2000 { // four times what there are places for: by themselves they end after 5 s
		silent = append(silent, dial(t, s.path))
	}
	if _, err := s.client.Status(t.Context()); err != nil {
		t.Error(err)
	}
	latest := silent[len(silent)-1] // as others would be, if the oldest had to go by themselves
	getStatus(t, latest)
	if r, err := http.ReadResponse(bufio.NewReader(latest), nil); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("the latest: %v, %v", r, err)
	}
}

// full takes all places of s, with requests whose bodies do not come.
func full(t *testing.T, s *running) []net.Conn {
	t.Helper()
	var asking []net.Conn
	for range 64 {
		c := dial(t, s.path)
		if _, err := io.WriteString(c, "POST /v1/reload HTTP/1.1\r\nHost: tunneld\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		const waits = "HTTP/1.1 100 Continue\r\n\r\n"
		if got, err := io.ReadAll(io.LimitReader(c, int64(len(waits)))); string(got) != waits {
			t.Fatalf("%q, %v", got, err)
		}
		asking = append(asking, c)
	}
	return asking
}

// There are only so many requests at once; the next waits until one ends.
func TestConnectionsAreBounded(t *testing.T) {
	s := serve(t, &fake{})
	asking := full(t, s)
	next := dial(t, s.path)
	getStatus(t, next)
	next.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if n, err := next.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("connection 65 got %d bytes, %v", n, err)
	}
	asking[7].Close()
	next.SetReadDeadline(time.Now().Add(patience))
	if r, err := http.ReadResponse(bufio.NewReader(next), nil); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("%v, %v", r, err)
	}
}

// Bodies that do not come delay others for less than they wait.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	s := serve(t, &fake{})
	full(t, s)
	if _, err := s.client.Reload(t.Context(), control.ReloadOptions{}); err != nil {
		t.Error(err)
	}
}

// Serve ends although all its places are taken and others wait for them, and
// before the time of the first is up: nobody hears that it is.
func TestServeEndsWhenFull(t *testing.T) {
	path := socketPath(t)
	l, err := control.Listen(path, control.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- control.Serve(ctx, l, &fake{}, control.Options{}) }()
	asking := full(t, &running{path: path})
	for range 20 {
		getStatus(t, dial(t, path)) // waits for a place
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if answer, err := io.ReadAll(asking[0]); len(answer) > 0 {
		t.Errorf("Serve waited for its clients: %q, %v", answer, err)
	}
}

// What is cut off, too slow or not asked for changes nothing.
func TestBodiesWithoutEffect(t *testing.T) {
	t.Parallel()
	d := &fake{}
	s := serve(t, d)
	for body, want := range map[string]int{
		"Content-Length: 7\r\n\r\ngarbage":              400,
		"Content-Length: 15\r\n\r\n{\"forward\":\"x\"}": 400,
		"Transfer-Encoding: chunked\r\n\r\nx\r\n":       400,
		"Content-Length: 2\r\n\r\n{":                    408,
	} {
		c := dial(t, s.path)
		c.SetDeadline(time.Now().Add(2 * patience))
		if _, err := io.WriteString(c, "POST /v1/profiles/work/down HTTP/1.1\r\nHost: tunneld\r\n"+body); err != nil {
			t.Fatal(err)
		}
		if r, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || r.StatusCode != want {
			t.Errorf("%q: %v, %v, want %d", body, r, err, want)
		}
	}
	if len(d.acted) > 0 {
		t.Errorf("%q", d.acted)
	}
}
