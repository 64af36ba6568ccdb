package forward_test

import (
	"context"
	"fmt"
	"io"
	"net"

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
