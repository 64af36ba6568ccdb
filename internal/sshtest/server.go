package sshtest

import (
	"context"
	"sync"
	"testing"
	"time"

	"tunneld/internal/sshserver"
)

// server is whatever lives until its context ends.
type server interface {
	Serve(ctx context.Context) error
}

// endWait bounds the wait for the end of a server.
const endWait = 30 * time.Second

// Run serves s until stop is called or the test ends. stop returns when that is
// over, with what it ended with, however often it is called.
func Run(t testing.TB, s server) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go run(ctx, s, over)
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-over:
			return err
		case <-time.After(endWait):
			t.Errorf("Serve of %T did not return within %s", s, endWait)
			return nil
		}
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}

func run(ctx context.Context, s server, over chan<- error) { over <- s.Serve(ctx) }

// Serve runs an in-process server as [Run] does. After stop Serve may be called
// again and listens on the same port.
func Serve(t testing.TB, srv *sshserver.Server) (stop func()) {
	t.Helper()
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	end := Run(t, srv)
	stop = sync.OnceFunc(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}
