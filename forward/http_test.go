package forward

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"tunneld/fault"
)

// head ends each line as HTTP does, the last one twice.
func head(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

func TestReadHTTP(t *testing.T) {
	for name, c := range map[string]struct {
		sent, host string
		port       int
		stream     string // to the target
	}{
		"CONNECT":      {head("CONNECT db.internal:5432 HTTP/1.1", "Host: x") + "behind", "db.internal", 5432, "behind"},
		"CONNECT IPv6": {head("CONNECT [2001:db8::1]:443 HTTP/1.0"), "2001:db8::1", 443, ""},
		"plain": {
			head("GET http://h/a?b=c HTTP/1.1", "Host: other", "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic x", "Accept: */*"),
			"h", 80, head("GET /a?b=c HTTP/1.1", "Host: h", "Accept: */*", "Connection: close"),
		},
		"port, no path": {
			head("GET http://h:8080 HTTP/1.0"), "h", 8080, head("GET / HTTP/1.0", "Host: h:8080", "Connection: close"),
		},
		"IPv6": {
			head("HEAD http://[::1]/ HTTP/1.1", "Host: h"), "::1", 80, head("HEAD / HTTP/1.1", "Host: [::1]", "Connection: close"),
		},
		"user": {
			head("GET http://ana:secret@h/ HTTP/1.1", "Host: h"), "h", 80, head("GET / HTTP/1.1", "Host: h", "Connection: close"),
		},
		"hop by hop": {
			head("GET http://h/ HTTP/1.1", "Host: h", "Connection: X-One, upgrade", "Connection: x-two", "X-One: 1", "X-Two: 2", "X-Three: 3", "Upgrade: websocket", "TE: trailers", "Keep-Alive: 5"),
			"h", 80, head("GET / HTTP/1.1", "Host: h", "Connection: close", "X-Three: 3"),
		},
		"body": {
			head("POST http://h/ HTTP/1.1", "Host: h", "Content-Length: 4") + "body", "h", 80,
			head("POST / HTTP/1.1", "Host: h", "Connection: close", "Content-Length: 4") + "body",
		},
		"length as hop by hop": {
			head("POST http://h/ HTTP/1.1", "Host: h", "Connection: Content-Length", "Content-Length: 4") + "body", "h", 80,
			head("POST / HTTP/1.1", "Host: h", "Connection: close", "Content-Length: 4") + "body",
		},
		"second request": {
			head("POST http://h/ HTTP/1.1", "Host: h", "Content-Length: 4") + "body" + head("GET http://other/ HTTP/1.1", "Cookie: secret"), "h", 80,
			head("POST / HTTP/1.1", "Host: h", "Connection: close", "Content-Length: 4") + "body",
		},
		"chunks": {
			head("POST http://h/ HTTP/1.1", "Host: h", "Transfer-Encoding: chunked") + "4;x=y\r\nbody\r\n0\r\nTrailer: x\r\n\r\n", "h", 80,
			head("POST / HTTP/1.1", "Host: h", "Connection: close", "Transfer-Encoding: chunked") + "4\r\nbody\r\n0\r\n\r\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, _, stream, err := ask(c.sent)
			if err != nil || r.host != c.host || r.port != c.port {
				t.Fatalf("host %s, port %d, %v", r.host, r.port, err)
			}
			if stream != c.stream {
				t.Errorf("to the target:\n%q, want\n%q", stream, c.stream)
			}
		})
	}
}

// A body that flows goes on in large pieces, in whatever frames it comes.
func TestBodyInLargePieces(t *testing.T) {
	const size = 1 << 20
	for _, length := range []string{fmt.Sprint("Content-Length: ", size), "Transfer-Encoding: chunked"} {
		sent := head("PUT http://h/ HTTP/1.1", "Host: h", length)
		body := strings.Repeat("a", size)
		if strings.HasPrefix(length, "Transfer") {
			body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", size, body)
		}
		r, err := readRequest(peer{strings.NewReader(sent + body), nil})
		if err != nil {
			t.Fatal(err)
		}
		there, client := net.Pipe()
		go io.Copy(io.Discard, there)
		pieces := 0
		if err := stream(client, &greeted{client, r.stream}, func(int) { pieces++ }); err != nil {
			t.Error(err)
		}
		there.Close()
		if most := 4 + size/(8<<10); pieces > most {
			t.Errorf("%s: %d pieces, want %d at most", length, pieces, most)
		}
	}
}

func TestBadHTTP(t *testing.T) {
	for sent, want := range map[string]int{
		head("GET / HTTP/1.1", "Host: localhost:1080"):  http.StatusBadRequest, // as a browser asks a server
		head("GET https://h/ HTTP/1.1", "Host: h"):      http.StatusBadRequest,
		head("CONNECT h HTTP/1.1", "Host: h"):           http.StatusBadRequest,
		head("CONNECT h:0 HTTP/1.1", "Host: h"):         http.StatusBadRequest,
		head("CONNECT h:http HTTP/1.1", "Host: h"):      http.StatusBadRequest,
		head("GET http://:80/ HTTP/1.1", "Host: h"):     http.StatusBadRequest,
		head("GET http://h:99999/ HTTP/1.1", "Host: h"): http.StatusBadRequest,
		head("nonsense"):       http.StatusBadRequest,
		head("PRI * HTTP/2.0"): http.StatusHTTPVersionNotSupported,
		head("GET http://h/ HTTP/1.1", "X: "+strings.Repeat("x", greetLimit)): http.StatusRequestHeaderFieldsTooLarge,
		"GET http://h/" + strings.Repeat("x", greetLimit):                     http.StatusRequestHeaderFieldsTooLarge,
	} {
		r, _, _, err := ask(sent)
		if err == nil || r.answer == nil {
			t.Errorf("%.80q: %v", sent, err)
			continue
		}
		if got := fmt.Sprintf("HTTP/1.1 %d ", want); !strings.HasPrefix(string(r.answer(err)), got) {
			t.Errorf("%.80q: answer %q, want %s", sent, r.answer(err), got)
		}
	}
}

func TestAnswersOfHTTP(t *testing.T) {
	for code, want := range map[fault.Code]int{
		fault.TargetRefused: 502, fault.TargetDenied: 403, fault.TargetTimeout: 504, fault.HoldExpired: 504, fault.KeepaliveLost: 502,
	} {
		answer := string(answerConnect(fault.New(code, fault.Forward, "so\r\nit is")))
		resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if resp.StatusCode != want || string(body) != string(code)+": so it is\n" || err != nil || !resp.Close {
			t.Errorf("%s: %q", code, answer)
		}
	}
	if answerHTTP(nil) != nil || string(answerConnect(nil)) != "HTTP/1.1 200 Connection established\r\n\r\n" {
		t.Error("yes is wrong")
	}
}

// A body that breaks off does not look complete.
func TestBrokenBody(t *testing.T) {
	for _, sent := range []string{
		head("POST http://h/ HTTP/1.1", "Host: h", "Content-Length: 9") + "body",
		head("POST http://h/ HTTP/1.1", "Host: h", "Transfer-Encoding: chunked") + "9\r\nbody",
	} {
		r, err := readRequest(peer{strings.NewReader(sent), nil})
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r.stream); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q, %v", text, err)
		}
	}
}

// What the target gets is the request that came, read again: the same to the
// same host, without what was for the proxy.
func FuzzHTTP(f *testing.F) {
	f.Add("GET http://h/a?b HTTP/1.1\r\nHost: h\r\nConnection: x\r\nX: y\r\n\r\n")
	f.Add("POST http://h:1/ HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody")
	f.Add("POST http://h/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
	f.Fuzz(func(t *testing.T, sent string) {
		r, _, stream, err := ask(sent)
		came, bad := http.ReadRequest(bufio.NewReader(strings.NewReader(sent)))
		if err != nil || bad != nil || came.Method == http.MethodConnect || !strings.HasPrefix(stream, came.Method) {
			return
		}
		want, bad := io.ReadAll(came.Body)
		if bad != nil {
			return // see TestBrokenBody
		}
		in := bufio.NewReader(strings.NewReader(stream))
		went, err := http.ReadRequest(in)
		if err != nil {
			t.Fatalf("%q: %v", stream, err)
		}
		got, err := io.ReadAll(went.Body)
		if err != nil || string(got) != string(want) || in.Buffered() > 0 {
			t.Errorf("%q: body %q behind %q, %v", stream, got, want, err)
		}
		if went.Method != came.Method || went.URL.RequestURI() != came.URL.RequestURI() || went.Host != came.URL.Host || !went.Close {
			t.Errorf("%q for %q", stream, sent)
		}
		for _, name := range hopByHop {
			if name != "Connection" && went.Header.Get(name) != "" {
				t.Errorf("%s in %q", name, stream)
			}
		}
		if r.host == "" {
			t.Error("no host")
		}
	})
}
