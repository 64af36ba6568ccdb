package daemon

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"tunneld/forward"
	"tunneld/internal/sshtest"
)

// deaf is the address of a target that reads nothing.
func deaf(t *testing.T) string {
	t.Helper()
	over := make(chan struct{})
	b := sshtest.Script(t, func(net.Conn) { <-over })
	t.Cleanup(func() { close(over) })
	return b.Addr
}

// fill writes until w fails, whose error it returns on over, and returns once
// nothing is taken any more.
func fill(t *testing.T, w io.Writer) (over <-chan error) {
	t.Helper()
	failed := make(chan error, 1)
	var sent atomic.Int64
	go func() {
		block := make([]byte, 64<<10)
		for {
			n, err := w.Write(block)
			sent.Add(int64(n))
			if err != nil {
				failed <- err
				return
			}
		}
	}()
	last, same := int64(0), 0
	sshtest.Eventually(t, patience, "a target that takes no more", func() bool {
		now := sent.Load()
		if same++; now != last || now == 0 {
			last, same = now, 0
		}
		return same > 25
	})
	return failed
}

func within[T any](t *testing.T, what string, c <-chan T) (got T) {
	t.Helper()
	select {
	case got = <-c:
	case <-time.After(patience):
		t.Error("not over: ", what)
	}
	return got
}

// A stream that is cut while its target takes nothing is over at once, though
// the server ends the channel only with the target; the link goes on.
func TestCutWhileNobodyReads(t *testing.T) {
	text, _ := sessionProfile(t)
	s, _ := supervise(t, map[string]string{"work": text})
	awaitProfile(t, s, "work", "up")
	target := deaf(t)

	host, service, _ := net.SplitHostPort(target)
	port, _ := strconv.Atoi(service)
	l := s.tunnel("work").link
	stream, err := l.Dial(t.Context(), host, port, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	client, near := net.Pipe()
	ctx, cut := context.WithCancel(t.Context())
	spliced := make(chan error, 1)
	go func() {
		_, _, err := forward.Splice(ctx, near, stream)
		spliced <- err
	}()
	written := fill(t, client)
	cut()
	if err := within(t, "the splice", spliced); err != context.Canceled {
		t.Error(err)
	}
	within(t, "the client", written)

	visitor, err := s.Dial(t.Context(), "work", target)
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := visitor.Read(make([]byte, 1))
		read <- err
	}()
	written = fill(t, visitor)
	visitor.Close()
	for what, over := range map[string]<-chan error{"the write": written, "the read": read} {
		if err := within(t, what, over); err == nil {
			t.Error(what, "succeeded")
		}
	}
	if n := s.profile("work").Sessions; n != 0 {
		t.Errorf("%d sessions", n)
	}
	if p := s.profile("work"); p.State != "up" || p.Reconnects != 0 {
		t.Errorf("profile %+v", p)
	}
}
