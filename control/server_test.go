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
	s := serve(t, &fake{status: control.Status{Version: "a<b>"}})
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
		{[]string{"-H", "Transfer-Encoding: chunked", "-H", "Expect:", "-d", "@" + big, "http://tunneld/v1/prompts"}, "413 " + bad, `too large`},
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

// Who opens connections without end has only so many.
func TestConnectionsAreBounded(t *testing.T) {
	s := serve(t, &fake{})
	var idle []net.Conn
	for range 64 {
		idle = append(idle, dial(t, s.path))
	}
	next := dial(t, s.path)
	getStatus(t, next)
	next.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if n, err := next.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("connection 65 got %d bytes, %v", n, err)
	}
	idle[7].Close()
	next.SetReadDeadline(time.Now().Add(patience))
	if r, err := http.ReadResponse(bufio.NewReader(next), nil); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("%v, %v", r, err)
	}
}

// Serve ends although all its places are taken, and before their time is up.
func TestServeEndsWhenFull(t *testing.T) {
	path := socketPath(t)
	l, err := control.Listen(path, control.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- control.Serve(ctx, l, &fake{}, control.Options{}) }()
	for range 63 {
		dial(t, path)
	}
	last := dial(t, path)
	dial(t, path) // waits
	getStatus(t, last)
	if _, err := http.ReadResponse(bufio.NewReader(last), nil); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(4 * time.Second): // after 5 s connections end for want of a request
		t.Error("Serve waits for its clients")
		<-ended
	}
}
