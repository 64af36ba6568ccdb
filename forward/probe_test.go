package forward_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"tunneld/fault"
	"tunneld/forward"
)

// dialOwn connects to where a forward listens.
func dialOwn(s *served) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		return dialer(s.Status().Bound[0])(ctx, nil)
	}
}

// banner dials a target that speaks first and then echoes.
func banner(_ context.Context, _ net.Addr) (net.Conn, error) {
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		io.WriteString(far, "welcome")
		io.Copy(far, far)
	}()
	return near, nil
}

// disregarded is a connection that knows whether it counts.
type disregarded struct {
	net.Conn
	times chan<- string
}

func (d *disregarded) Disregard()        { d.times <- d.RemoteAddr().String() }
func (d *disregarded) CloseWrite() error { return d.Conn.(*net.TCPConn).CloseWrite() }

type disregarding struct {
	net.Listener
	times chan<- string
}

func (l disregarding) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &disregarded{c, l.times}, nil
}

// A probe finds its own connection, which nobody else hears of.
func TestProbe(t *testing.T) {
	times := make(chan string, 10)
	s := serve(t, &forward.Forward{
		Dial: func(context.Context, net.Addr) (net.Conn, error) {
			t.Error("the target was dialled")
			return nil, errors.New("no")
		},
		Listen: func(ctx context.Context) (net.Listener, error) {
			ln, err := listenLoopback(ctx)
			return disregarding{ln, times}, err
		},
	})
	s.await(t, forward.Listening)
	for range 3 {
		if err := s.Probe(t.Context(), dialOwn(s)); err != nil {
			t.Fatal(err)
		}
		receive(t, "disregard", times)
	}
	if st := s.Stats(); st.Total != 0 || st.Failed != 0 || st.Active != 0 || st.ToTarget != 0 {
		t.Errorf("a probe counts: %+v", st)
	}
}

// Clients that come during a probe are served: one that speaks at once, one
// that waits for the target to speak after 2 s at most.
func TestClientsDuringProbe(t *testing.T) {
	var c clock
	s := serve(t, &forward.Forward{Dial: banner, After: c.After, Now: c.Now})
	s.await(t, forward.Listening)
	dialling, goOn, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		over <- s.Probe(context.Background(), func(ctx context.Context) (net.Conn, error) {
			close(dialling)
			<-goOn
			return dialOwn(s)(ctx)
		})
	}()
	receive(t, "the dial", dialling)
	read := func(client net.Conn, want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(client, got); err != nil || string(got) != want {
			t.Errorf("read %q, %v; want %q", got, err, want)
		}
	}
	quiet := s.connect(t)
	c.fire(t, 2*time.Second)
	read(quiet, "welcome")
	roundTripAfter := func(client net.Conn, text string) {
		t.Helper()
		io.WriteString(client, text)
		read(client, text)
	}
	roundTripAfter(quiet, "hello")
	speaker := s.connect(t)
	io.WriteString(speaker, "x")
	read(speaker, "welcomex")
	waiting := s.connect(t)
	close(goOn)
	if err := receive(t, "the end of the probe", over); err != nil {
		t.Fatal(err)
	}
	read(waiting, "welcome")
	roundTripAfter(waiting, "now")
	if st := s.Stats(); st.Total != 3 || st.Failed != 0 {
		t.Errorf("stats %+v", st)
	}
}

// A connection that does not come back is a failure, and when it comes after
// all, its bytes do not reach the target.
func TestProbeTooLate(t *testing.T) {
	var c clock
	got := make(chan []byte, 1)
	s := serve(t, &forward.Forward{After: c.After, Now: c.Now, Dial: func(context.Context, net.Addr) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			all, _ := io.ReadAll(far)
			got <- all
		}()
		return near, nil
	}})
	s.await(t, forward.Listening)
	near, far := net.Pipe()
	defer far.Close()
	sent, over := make(chan []byte, 1), make(chan error, 1)
	go func() {
		var b bytes.Buffer
		io.Copy(&b, far)
		sent <- b.Bytes()
	}()
	go func() {
		over <- s.Probe(context.Background(), func(context.Context) (net.Conn, error) { return near, nil })
	}()
	c.fire(t, 2*time.Second)
	if err := receive(t, "the end of the probe", over); fault.CodeOf(err) != fault.ProbeFailed {
		t.Errorf("probe: %v", err)
	}
	late := s.connect(t)
	late.Write(receive(t, "the token", sent))
	if all := receive(t, "the target's end", got); len(all) != 0 {
		t.Errorf("the target got %d bytes", len(all))
	}
}

// A probe ends with its dial's error, or with its context.
func TestProbeEnds(t *testing.T) {
	s := serve(t, &forward.Forward{})
	s.await(t, forward.Listening)
	want := errors.New("no way")
	if err := s.Probe(t.Context(), func(context.Context) (net.Conn, error) { return nil, want }); err != want {
		t.Errorf("probe: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	near, far := net.Pipe()
	defer far.Close()
	go func() {
		io.ReadFull(far, make([]byte, 1))
		cancel()
		io.Copy(io.Discard, far)
	}()
	if err := s.Probe(ctx, func(context.Context) (net.Conn, error) { return near, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("probe: %v", err)
	}
}

// Every client gets its bytes back while one probe follows another.
func TestManyClientsManyProbes(t *testing.T) {
	s := serve(t, &forward.Forward{})
	s.await(t, forward.Listening)
	ctx, stop := context.WithCancel(context.Background())
	var probes, clients sync.WaitGroup
	probes.Go(func() {
		for ctx.Err() == nil {
			if err := s.Probe(context.Background(), dialOwn(s)); err != nil {
				t.Error(err)
			}
		}
	})
	for range 4 {
		clients.Go(func() {
			for range 50 {
				c := s.connect(t)
				roundTrip(t, c, "every byte")
				c.Close()
			}
		})
	}
	clients.Wait()
	stop()
	probes.Wait()
	if st := s.Stats(); st.Total != 200 || st.Failed != 0 {
		t.Errorf("stats %+v", st)
	}
}
