package forward_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tunneld/fault"
	"tunneld/forward"
)

// served is a Forward with a running Serve, and what its hooks saw.
type served struct {
	*forward.Forward
	cancel context.CancelFunc
	ended  chan error

	mu       sync.Mutex
	statuses []forward.Status
	failures []error
}

// serve runs f, which listens on loopback where it has no Listen of its own and
// dials an echo server where it has no Dial.
func serve(t testing.TB, f *forward.Forward) *served {
	t.Helper()
	if f.Listen == nil {
		f.Listen = listenLoopback
	}
	if f.Dial == nil {
		f.Dial = dialer(echoServer(t))
	}
	s := &served{Forward: f, ended: make(chan error, 1)}
	f.Changed = s.changed
	f.Failed = s.failed
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	go func() { err := f.Serve(ctx); s.ended <- err; close(s.ended) }()
	t.Cleanup(func() { s.cancel(); receive(t, "the end of Serve", s.ended) })
	return s
}

func listenLoopback(ctx context.Context) (net.Listener, error) {
	return forward.ListenTCP(ctx, "127.0.0.1", 0)
}

func dialer(to net.Addr) func(context.Context, net.Addr) (net.Conn, error) {
	return func(ctx context.Context, _ net.Addr) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", to.String())
	}
}

func (s *served) changed(st forward.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statuses = append(s.statuses, st)
}

func (s *served) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, err)
}

func (s *served) states() (states []forward.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.statuses {
		states = append(states, st.State)
	}
	return states
}

func (s *served) status(n int) forward.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.statuses[n]
}

func (s *served) failure(t testing.TB) error {
	t.Helper()
	eventually(t, "a failure", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.failures) > 0 })
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.failures[0]
	s.failures = s.failures[1:]
	return err
}

func (s *served) await(t testing.TB, state forward.State) forward.Status {
	t.Helper()
	var st forward.Status
	eventually(t, "state "+string(state), func() bool { st = s.Status(); return st.State == state })
	return st
}

// connect opens a connection to s.
func (s *served) connect(t testing.TB) *net.TCPConn {
	t.Helper()
	to := s.await(t, forward.Listening).Bound[0]
	c := must[net.Conn](t)(net.Dial("tcp", to.String()))
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// wantRefused checks that a connection to s is reset, which may be so quick
// that it fails while it is dialled.
func (s *served) wantRefused(t testing.TB) {
	t.Helper()
	to := s.await(t, forward.Listening).Bound[0]
	total := s.Stats().Total
	c, err := net.Dial("tcp", to.String())
	if err == nil {
		defer c.Close()
		wantReset(t, c)
	}
	eventually(t, "the refused connection", func() bool { return s.Stats().Total == total+1 })
}

func (s *served) idle(t testing.TB) forward.Stats {
	t.Helper()
	eventually(t, "no open connection", func() bool { return s.Stats().Active == 0 })
	return s.Stats()
}

func TestRelay(t *testing.T) {
	origins := make(chan net.Addr, 1)
	dial := dialer(echoServer(t))
	s := serve(t, &forward.Forward{Dial: func(ctx context.Context, origin net.Addr) (net.Conn, error) {
		origins <- origin
		return dial(ctx, origin)
	}})
	for n := range uint64(20) {
		c := s.connect(t)
		if origin := receive(t, "Dial", origins); origin.String() != c.LocalAddr().String() {
			t.Errorf("origin %s, want %s", origin, c.LocalAddr())
		}
		roundTrip(t, c, "hello")
		eventually(t, "the counts while it is open", func() bool {
			st := s.Stats()
			return st.Active == 1 && st.ToOrigin == 5*(n+1)
		})
		c.CloseWrite()
		if rest, err := io.ReadAll(c); len(rest) != 0 || err != nil {
			t.Errorf("after the end: %q, %v", rest, err)
		}
		s.idle(t)
	}
	if st := s.Stats(); st.Total != 20 || st.Failed != 0 || st.ToTarget != 100 || st.ToOrigin != 100 {
		t.Errorf("at the end: %+v", st)
	}
	s.cancel()
	if err := receive(t, "the end of Serve", s.ended); err != context.Canceled {
		t.Errorf("Serve: %v", err)
	}
	want := []forward.State{forward.Waiting, forward.Listening, forward.Stopped}
	if got := s.states(); !slices.Equal(got, want) {
		t.Errorf("states %v, want %v", got, want)
	}
}

func TestZeroStatus(t *testing.T) {
	var f forward.Forward
	if st := f.Status(); st.State != forward.Stopped {
		t.Errorf("unserved: %+v", st)
	}
}

func TestMaxConnections(t *testing.T) {
	s := serve(t, &forward.Forward{MaxConnections: 2})
	a, b := s.connect(t), s.connect(t)
	roundTrip(t, a, "a")
	roundTrip(t, b, "b")
	s.wantRefused(t)
	if err := s.failure(t); fault.CodeOf(err) != fault.ListenDenied {
		t.Errorf("failure: %v", err)
	}
	a.Close()
	eventually(t, "room", func() bool { return s.Stats().Active == 1 })
	roundTrip(t, s.connect(t), "c")
	if st := s.Stats(); st.Total != 4 || st.Failed != 1 || st.Failures[fault.ListenDenied] != 1 {
		t.Errorf("stats: %+v", st)
	}
}

// A Dial that fails, in whatever way, ends that connection only.
func TestDialFails(t *testing.T) {
	how := make(chan func() (net.Conn, error), 1)
	s := serve(t, &forward.Forward{Dial: func(context.Context, net.Addr) (net.Conn, error) { return (<-how)() }})
	try := func(dial func() (net.Conn, error)) error {
		how <- dial
		s.wantRefused(t)
		return s.failure(t)
	}
	hold := fault.New(fault.HoldExpired, fault.Forward, "10s")
	if err := try(func() (net.Conn, error) { return nil, hold }); err != hold {
		t.Errorf("coded: %v", err)
	}
	err := try(func() (net.Conn, error) { return nil, io.ErrNoProgress })
	if fault.CodeOf(err) != fault.TargetRefused || !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("without a code: %v", err)
	}
	var p *fault.Panic
	if err := try(func() (net.Conn, error) { panic("boom") }); !errors.As(err, &p) {
		t.Errorf("panic: %v", err)
	}
	echo := echoServer(t)
	how <- func() (net.Conn, error) { return net.Dial("tcp", echo.String()) }
	roundTrip(t, s.connect(t), "still there")
	st := s.Stats()
	if st.Total != 4 || st.Failed != 3 || st.Failures[fault.HoldExpired] != 1 || st.Failures[fault.TargetRefused] != 1 || len(st.Failures) != 2 {
		t.Errorf("stats: %+v", st)
	}
}

// A panic in the dialled connection cuts that one, and is told.
func TestDialledPanics(t *testing.T) {
	far, _ := tcpPair(t)
	s := serve(t, &forward.Forward{Dial: func(context.Context, net.Addr) (net.Conn, error) {
		return conn{Conn: far, read: func([]byte) (int, error) { panic("boom") }}, nil
	}})
	s.wantRefused(t)
	var p *fault.Panic
	if err := s.failure(t); !errors.As(err, &p) {
		t.Errorf("failure: %v", err)
	}
	if st := s.idle(t); st.Failed != 1 || len(st.Failures) != 0 {
		t.Errorf("stats: %+v", st)
	}
}

// The end of Serve's context cuts what is open and what is being dialled; that
// is no failure.
func TestContextCuts(t *testing.T) {
	dialling := make(chan struct{}, 1)
	dial := dialer(echoServer(t))
	first := true
	s := serve(t, &forward.Forward{Dial: func(ctx context.Context, origin net.Addr) (net.Conn, error) {
		if first {
			first = false
			return dial(ctx, origin)
		}
		dialling <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	open := s.connect(t)
	roundTrip(t, open, "x")
	held := s.connect(t)
	receive(t, "Dial", dialling)
	s.cancel()
	wantReset(t, open)
	wantReset(t, held)
	if err := receive(t, "the end of Serve", s.ended); err != context.Canceled {
		t.Errorf("Serve: %v", err)
	}
	if st := s.Stats(); st.Active != 0 || st.Total != 2 || st.Failed != 0 {
		t.Errorf("stats: %+v", st)
	}
}

func TestDrain(t *testing.T) {
	s := serve(t, &forward.Forward{})
	c := s.connect(t)
	roundTrip(t, c, "before")
	bound := s.Status().Bound[0].String()

	short, cancel := context.WithCancel(t.Context())
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(short) }()
	s.await(t, forward.Stopped)
	if late, err := net.Dial("tcp", bound); err == nil {
		late.Close()
		t.Error("still listening")
	}
	roundTrip(t, c, "during")
	cancel()
	if err := receive(t, "Drain's patience", drained); err != context.Canceled {
		t.Errorf("Drain: %v", err)
	}
	roundTrip(t, c, "after")
	go func() { drained <- s.Drain(t.Context()) }()
	c.Close()
	if err := receive(t, "Drain", drained); err != nil {
		t.Errorf("Drain: %v", err)
	}
	if err := receive(t, "the end of Serve", s.ended); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// Drain wins against a Serve that has not begun, a Listen that waits and a
// pause between retries.
func TestDrainBeforeListening(t *testing.T) {
	t.Run("unserved", func(t *testing.T) {
		f := &forward.Forward{Listen: func(context.Context) (net.Listener, error) { panic("called") }}
		if err := f.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		if err := f.Serve(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("waiting", func(t *testing.T) {
		s := serve(t, &forward.Forward{Listen: func(ctx context.Context) (net.Listener, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		s.await(t, forward.Waiting)
		if err := s.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("retrying", func(t *testing.T) {
		calls := 0
		s := serve(t, &forward.Forward{
			Listen: func(context.Context) (net.Listener, error) { calls++; return nil, io.EOF },
			Retry:  func(error, int) time.Duration { return time.Hour },
		})
		s.await(t, forward.Retrying)
		if err := s.Drain(t.Context()); err != nil || calls != 1 {
			t.Errorf("%v after %d calls of Listen", err, calls)
		}
	})
}

// An IPv4 wildcard opens nothing on IPv6: wider must be written out.
func TestWildcardIsIPv4Alone(t *testing.T) {
	ln, err := forward.ListenTCP(context.Background(), "0.0.0.0", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	if c, err := net.DialTimeout("tcp", fmt.Sprintf("[::1]:%d", port), time.Second); err == nil {
		c.Close()
		t.Error("it answers on ::1 too")
	}
}

// Recovered is called once, when a connection is relayed after failed ones; what
// fails every other time has not recovered.
func TestRecovered(t *testing.T) {
	c, failed := &clock{now: time.Now()}, make(chan struct{})
	var fails atomic.Bool
	var recovered atomic.Int32
	target := listenLocal(t)
	go acceptAll(target)
	front := listenLocal(t)
	f := &forward.Forward{
		Listen: func(context.Context) (net.Listener, error) { return front, nil },
		Dial: func(ctx context.Context, _ net.Addr) (net.Conn, error) {
			if fails.Load() {
				return nil, fault.New(fault.TargetRefused, fault.Forward, "no")
			}
			return net.Dial("tcp", target.Addr().String())
		},
		Recovered: func() { recovered.Add(1) },
		Failed:    func(error) { failed <- struct{}{} },
		Now:       c.Now,
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- f.Serve(ctx) }()
	defer func() { cancel(); <-over }()
	knock := func() {
		if c, err := net.Dial("tcp", front.Addr().String()); err == nil {
			c.SetDeadline(time.Now().Add(10 * time.Second))
			c.Read(make([]byte, 1)) // a greeting, or the reset
			c.Close()
		}
	}
	knock()
	for range 20 {
		fails.Store(true)
		knock()
		<-failed // the reset comes first
		fails.Store(false)
		knock()
		c.advance(9 * time.Second)
	}
	if n := recovered.Load(); n != 0 {
		t.Errorf("told %d times while they fail", n)
	}
	c.advance(time.Second)
	knock()
	knock()
	if n := recovered.Load(); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// Again ends the pause of a retry.
func TestAgain(t *testing.T) {
	listens := make(chan struct{}, 10)
	f := &forward.Forward{
		Listen: func(context.Context) (net.Listener, error) {
			listens <- struct{}{}
			return nil, fault.New(fault.RemotePortBusy, fault.Forward, "busy")
		},
		Retry: func(error, int) time.Duration { return time.Hour },
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- f.Serve(ctx) }()
	defer func() { cancel(); <-over }()
	<-listens
	for deadline := time.Now().Add(10 * time.Second); len(listens) == 0; f.Again() {
		if time.Now().After(deadline) {
			t.Fatal("it does not listen again")
		}
		time.Sleep(time.Millisecond)
	}
}

func listenLocal(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// acceptAll greets and closes.
func acceptAll(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		c.Write([]byte("x"))
		c.Close()
	}
}
