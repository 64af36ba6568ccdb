package forward_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync"

	"tunneld/forward"
)

// A forward from a port of this machine to a server that greets.
func Example() {
	server, _ := forward.ListenTCP(context.Background(), "localhost", 0)
	defer server.Close()
	go func() {
		c, _ := server.Accept()
		io.WriteString(c, "hello")
		c.Close()
	}()

	bound := make(chan net.Addr, 1)
	f := &forward.Forward{
		Listen: func(ctx context.Context) (net.Listener, error) {
			return forward.ListenTCP(ctx, "localhost", 0)
		},
		Dial: func(ctx context.Context, origin net.Addr) (net.Conn, error) {
			return forward.DialTCP(ctx, "localhost", server.Addr().(*net.TCPAddr).Port)
		},
		Changed: func(s forward.Status) {
			fmt.Println(s.State)
			if s.State == forward.Listening {
				bound <- s.Bound[0]
			}
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- f.Serve(ctx) }()

	c, _ := net.Dial("tcp", (<-bound).String())
	greeting, _ := io.ReadAll(c)
	c.Close()
	fmt.Printf("%s, %d bytes\n", greeting, f.Stats().ToOrigin)
	cancel()
	fmt.Println(<-done)
	// Output:
	// waiting
	// listening
	// hello, 5 bytes
	// stopped
	// context canceled
}

// A proxy for SOCKS and HTTP clients, which dials from this machine.
func ExampleForward_dynamic() {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "the page") }))
	defer site.Close()
	bound := make(chan net.Addr, 1)
	f := &forward.Forward{
		Name:   "proxy",
		Listen: func(ctx context.Context) (net.Listener, error) { return forward.ListenTCP(ctx, "127.0.0.1", 0) },
		DialTo: func(ctx context.Context, host string, port int, _ net.Addr) (net.Conn, error) {
			return forward.DialTCP(ctx, host, port)
		},
		Changed: func(s forward.Status) {
			if s.State == forward.Listening {
				bound <- s.Bound[0]
			}
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { f.Serve(ctx) })

	proxy := &url.URL{Scheme: "socks5h", Host: (<-bound).String()}
	transport := &http.Transport{Proxy: http.ProxyURL(proxy)}
	resp, err := (&http.Client{Transport: transport}).Get(site.URL)
	if err == nil {
		io.Copy(os.Stdout, resp.Body)
		resp.Body.Close()
	}
	transport.CloseIdleConnections()
	cancel()
	serving.Wait()
	// Output: the page
}
