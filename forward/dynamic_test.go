package forward_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/proxy"

	"tunneld/fault"
	"tunneld/forward"
)

// dynamic serves a dynamic forward on loopback; dialTo nil dials from here.
func dynamic(t *testing.T, dialTo func(ctx context.Context, host string, port int, origin net.Addr) (net.Conn, error)) (*forward.Forward, string) {
	t.Helper()
	f := &forward.Forward{
		Listen: func(ctx context.Context) (net.Listener, error) { return forward.ListenTCP(ctx, "127.0.0.1", 0) },
		DialTo: dialTo,
	}
	if dialTo == nil {
		f.DialTo = func(ctx context.Context, host string, port int, _ net.Addr) (net.Conn, error) {
			return forward.DialTCP(ctx, host, port)
		}
	}
	serveForward(t, f)
	return f, f.Status().Bound[0].String()
}

// serveForward serves f until the test ends.
func serveForward(t *testing.T, f *forward.Forward) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { f.Serve(ctx) })
	t.Cleanup(func() { cancel(); serving.Wait() })
	eventually(t, "listening", func() bool { return f.Status().State == forward.Listening })
}

// throughSOCKS dials addr by way of the forward at via.
func throughSOCKS(t *testing.T, via, addr string) (net.Conn, error) {
	t.Helper()
	d := must[proxy.Dialer](t)(proxy.SOCKS5("tcp", via, nil, nil))
	return d.Dial("tcp", addr)
}

func TestSOCKSClient(t *testing.T) {
	f, via := dynamic(t, nil)
	c := must[net.Conn](t)(throughSOCKS(t, via, echoServer(t).String()))
	defer c.Close()
	roundTrip(t, c, "hello")
	eventually(t, "exact counts", func() bool { // a byte may arrive before it is counted
		s := f.Stats()
		return s.Active == 1 && s.Total == 1 && s.ToTarget == 5 && s.ToOrigin == 5
	})
}

// A request is read as it comes, byte by byte, and what stands behind it in the
// same packet reaches the target; so does a reply after half-close.
func TestHandshakeInPieces(t *testing.T) {
	addr := echoServer(t).(*net.TCPAddr)
	_, via := dynamic(t, nil)
	four := "\x04\x01" + string([]byte{byte(addr.Port >> 8), byte(addr.Port)}) + "\x7f\x00\x00\x01ana\x00"
	tunnel := "CONNECT " + addr.String() + " HTTP/1.1\r\nHost: h\r\n\r\n"
	for request, answer := range map[string]string{four: "\x00\x5a\x00\x00\x00\x00\x00\x00", tunnel: "HTTP/1.1 200 Connection established\r\n\r\n"} {
		for _, pieces := range []bool{false, true} {
			c := must[net.Conn](t)(net.Dial("tcp", via))
			sent := request + "early"
			if pieces {
				for _, b := range []byte(sent[:len(request)]) {
					c.Write([]byte{b})
				}
				sent = sent[len(request):]
			}
			io.WriteString(c, sent)
			c.(*net.TCPConn).CloseWrite()
			if got, err := io.ReadAll(c); string(got) != answer+"early" || err != nil {
				t.Errorf("%q: %q, %v", request, got, err)
			}
			c.Close()
		}
	}
}

// Every code comes back in the words of the client's protocol.
func TestRefusedTargets(t *testing.T) {
	code := fault.TargetRefused
	f, via := dynamic(t, func(context.Context, string, int, net.Addr) (net.Conn, error) {
		return nil, fault.New(code, fault.Forward, "no")
	})
	if _, err := throughSOCKS(t, via, "db.internal:5432"); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("SOCKS 5: %v", err)
	}
	client := proxyClient(t, via)
	// The body is unread when the refusal comes, and must not cost the answer.
	resp, err := client.Post("http://db.internal/", "text/plain", strings.NewReader(strings.Repeat("x", 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusBadGateway || string(body) != "target_refused: no\n" {
		t.Errorf("%s: %q", resp.Status, body)
	}
	if _, err := client.Get("https://db.internal/"); err == nil || !strings.Contains(err.Error(), "Bad Gateway") {
		t.Errorf("CONNECT: %v", err)
	}
	eventually(t, "three failures", func() bool { s := f.Stats(); return s.Failures[code] == 3 && s.Active == 0 })
}

// proxyClient is net/http's client behind the forward at via.
func proxyClient(t *testing.T, via string) *http.Client {
	transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: via})}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// A client that reuses connections gets along with an HTTP proxy that serves
// one request on each, with bodies of both kinds.
func TestPlainHTTP(t *testing.T) {
	var seen sync.Map
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen.Store(r.URL.Path, len(body))
		if r.Header.Get("Proxy-Authorization") != "" || !r.Close {
			t.Errorf("header %v", r.Header)
		}
		w.Write(body)
	}))
	defer server.Close()
	_, via := dynamic(t, nil)
	client := proxyClient(t, via)
	for n := range 6 {
		text := strings.Repeat("x", n<<16)
		var body io.Reader = strings.NewReader(text) // with a length
		if n%2 == 1 {
			body = io.MultiReader(body) // in chunks
		}
		path := "/" + strconv.Itoa(n)
		resp, err := client.Post(server.URL+path, "text/plain", body)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if size, _ := seen.Load(path); string(got) != text || err != nil || size != len(text) {
			t.Errorf("%d: %d bytes arrived, %d came back, %v", n, size, len(got), err)
		}
	}
}

// One client's panic, garbage or silence is no other's trouble.
func TestBadClients(t *testing.T) {
	addr := echoServer(t).String()
	f, via := dynamic(t, func(ctx context.Context, host string, port int, _ net.Addr) (net.Conn, error) {
		if host == "panic" {
			panic("boom")
		}
		return forward.DialTCP(ctx, host, port)
	})
	good := must[net.Conn](t)(throughSOCKS(t, via, addr))
	defer good.Close()
	for _, sent := range []string{"\x16\x03\x01\x02\x00", "\x00", "\x05\x01\x02", "\x04\x02\x00\x50\x7f\x00\x00\x01\x00", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "\x05\x01\x00\x05\x01\x00\x03\x05panic\x00\x50"} {
		before := f.Stats().Failed
		c := must[net.Conn](t)(net.Dial("tcp", via))
		io.WriteString(c, sent)
		c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q: still open", sent)
		}
		c.Close()
		eventually(t, "a failure", func() bool { return f.Stats().Failed == before+1 })
	}
	quiet := must[net.Conn](t)(net.Dial("tcp", via))
	quiet.Close()
	eventually(t, "all over", func() bool { return f.Stats().Active == 1 })
	if s := f.Stats(); s.Failed != 6 {
		t.Errorf("a client without a word counts as failed: %+v", s)
	}
	roundTrip(t, good, "hello")
}

// A client that comes while nothing answers is not in the way of others, and
// the end of Serve cuts one that still thinks.
func TestSlowDialBlocksNobody(t *testing.T) {
	addr, release := echoServer(t).String(), make(chan struct{})
	_, via := dynamic(t, func(ctx context.Context, host string, port int, _ net.Addr) (net.Conn, error) {
		if host == "slow" {
			select {
			case <-release:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			host, port = "127.0.0.1", must[int](t)(strconv.Atoi(addr[strings.LastIndex(addr, ":")+1:]))
		}
		return forward.DialTCP(ctx, host, port)
	})
	slow := make(chan net.Conn, 1)
	var dialling sync.WaitGroup
	dialling.Go(func() {
		c, err := throughSOCKS(t, via, "slow:1")
		if err != nil {
			t.Error(err)
		}
		slow <- c
	})
	defer dialling.Wait()
	thinking := must[net.Conn](t)(net.Dial("tcp", via))
	defer thinking.Close()
	io.WriteString(thinking, "\x05")
	c := must[net.Conn](t)(throughSOCKS(t, via, addr))
	roundTrip(t, c, "hello")
	c.Close()
	close(release)
	c = receive(t, "the slow one", slow)
	roundTrip(t, c, "hello")
	c.Close()
}

// pipes is a listener of connections in the process, for a clock that is not real.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

// A client gets 10 s for its request, however it spends them, and 10 s to take
// the answer.
func TestSlowClients(t *testing.T) {
	for name, client := range map[string]func(c net.Conn) error{
		"silent": func(c net.Conn) error {
			_, err := c.Read(make([]byte, 1))
			return err
		},
		"loris": func(c net.Conn) error {
			_, err := io.WriteString(c, "GET http://h/ HTTP/1.1\r\n")
			for ; err == nil; time.Sleep(time.Second) {
				_, err = io.WriteString(c, "X: y\r\n")
			}
			return err
		},
		"takes no answer": func(c net.Conn) error {
			io.WriteString(c, "CONNECT h:1 HTTP/1.1\r\n\r\n")
			time.Sleep(11 * time.Second)
			_, err := c.Read(make([]byte, 1))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				accepted := make(pipes)
				f := &forward.Forward{
					Listen: func(context.Context) (net.Listener, error) { return accepted, nil },
					DialTo: func(context.Context, string, int, net.Addr) (net.Conn, error) {
						near, far := net.Pipe()
						far.Close()
						return near, nil
					},
				}
				var serving sync.WaitGroup
				serving.Go(func() { f.Serve(ctx) })
				near, far := net.Pipe()
				accepted <- far
				start := time.Now()
				err := client(near)
				if took := time.Since(start); err == nil || took < 9*time.Second || took > 12*time.Second {
					t.Errorf("after %v: %v", took, err)
				}
				near.Close()
				cancel()
				close(accepted)
				serving.Wait()
				if s := f.Stats(); s.Active != 0 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}
