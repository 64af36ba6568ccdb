package daemon

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"tunneld/fault"
	"tunneld/internal/sshtest"
	"tunneld/link"
)

// A prober tells of each failure and of the first success after one, and keeps
// the last answer while there is nothing to look at.
func TestProber(t *testing.T) {
	sshtest.Leaks(t)
	refused := fault.New(fault.ProbeFailed, fault.Forward, "refused")
	answers, told, timer := make(chan error), make(chan error, 10), make(chan time.Time)
	p := &prober{
		every: time.Minute, soon: make(chan struct{}, 1),
		look: func(ctx context.Context) error {
			select {
			case err := <-answers:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		},
		tell: func(err error) { told <- err },
		after: func(d time.Duration) <-chan time.Time {
			if d != time.Minute {
				t.Errorf("it waits for %s", d)
			}
			return timer
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- p.Serve(ctx) }()
	answers <- errNotNow
	timer <- time.Now()
	if s := p.status("work"); s != nil {
		t.Errorf("status %+v before the first answer", s)
	}
	for _, err := range []error{nil, refused, refused, errNotNow, nil, nil} {
		answers <- err
		p.prod()
	}
	answers <- errNotNow // the last answer but one is noted
	if s := p.status("work"); s == nil || !s.OK || s.Error != nil || s.At.IsZero() {
		t.Errorf("status %+v", s)
	}
	timer <- time.Now()
	answers <- refused
	timer <- time.Now()
	if s := p.status("work"); s.OK || s.Error == nil || s.Error.Code != fault.ProbeFailed || s.Error.Hint == "" {
		t.Errorf("status %+v", s)
	}
	cancel()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("Serve: %v", err)
	}
	close(told)
	var got []error
	for err := range told {
		got = append(got, err)
	}
	if len(got) != 4 || got[0] != refused || got[1] != refused || got[2] != nil || got[3] != refused {
		t.Errorf("told %v", got)
	}
}

// A listener is reached at an address, also where it has every one.
func TestListenerAt(t *testing.T) {
	tcp := func(addr string) net.Addr {
		a, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, test := range []struct {
		bound net.Addr
		want  link.Trial
	}{
		{tcp("127.0.0.1:8080"), link.Trial{Host: "127.0.0.1", Port: 8080}},
		{tcp("0.0.0.0:8080"), link.Trial{Host: "127.0.0.1", Port: 8080}},
		{tcp("[::]:8080"), link.Trial{Host: "::1", Port: 8080}},
		{&net.UnixAddr{Net: "unix", Name: "/run/s"}, link.Trial{Path: "/run/s"}},
	} {
		if got := listenerAt(test.bound); got != test.want {
			t.Errorf("%s: %+v", test.bound, got)
		}
	}
}
