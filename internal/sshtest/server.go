package sshtest

import (
	"context"
	"sync"
	"testing"

	"tunneld/internal/sshserver"
)

// Serve runs an in-process server until stop is called or the test ends. stop
// returns when the server is over; after it Serve may be called again and
// listens on the same port.
func Serve(t testing.TB, srv *sshserver.Server) (stop func()) {
	t.Helper()
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go runServer(ctx, srv, over)
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func runServer(ctx context.Context, srv *sshserver.Server, over chan<- error) {
	over <- srv.Serve(ctx)
}
