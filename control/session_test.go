package control_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"tunneld/control"
	"tunneld/fault"
)

// sessions serves what a test wants of a session.
type sessions struct {
	fake
	session func(ctx context.Context, profile string, r control.SessionRequest, s control.SessionStreams) (control.SessionExit, error)
	dialed  func(ctx context.Context, target string) (control.Pipe, error)
}

func (f *sessions) Session(ctx context.Context, profile string, r control.SessionRequest, s control.SessionStreams) (control.SessionExit, error) {
	return f.session(ctx, profile, r, s)
}

func (f *sessions) Dial(ctx context.Context, _, target string) (control.Pipe, error) {
	return f.dialed(ctx, target)
}

// cat is a session that says on both outputs what it reads.
func cat(_ context.Context, _ string, _ control.SessionRequest, s control.SessionStreams) (control.SessionExit, error) {
	s.Started()
	_, err := io.Copy(io.MultiWriter(s.Stdout, s.Stderr), s.Stdin)
	return control.SessionExit{Status: 7}, err
}

func TestSessionCarriesItsStreams(t *testing.T) {
	s := serve(t, &sessions{session: cat})
	text := bytes.Repeat([]byte("\x00words\xff\r\n"), 1<<18)
	var out, errs bytes.Buffer
	exit, err := s.client.Session(t.Context(), "work", control.SessionRequest{}, control.SessionStreams{Stdin: bytes.NewReader(text), Stdout: &out, Stderr: &errs})
	if err != nil || exit != (control.SessionExit{Status: 7}) {
		t.Fatalf("%+v, %v", exit, err)
	}
	if !bytes.Equal(out.Bytes(), text) || !bytes.Equal(errs.Bytes(), text) {
		t.Errorf("%d and %d of %d bytes came back", out.Len(), errs.Len(), len(text))
	}
}

func TestSessionCarriesRequestSizesAndSignals(t *testing.T) {
	request := control.SessionRequest{
		Command: "ls -l", Env: []string{"A=b"}, Agent: true,
		Terminal: &control.Terminal{Type: "xterm", Size: control.WindowSize{Columns: 80, Rows: 24}, Modes: map[uint8]uint32{53: 1}},
	}
	s := serve(t, &sessions{session: func(_ context.Context, profile string, r control.SessionRequest, s control.SessionStreams) (control.SessionExit, error) {
		if profile != "a/b" || r.Command != request.Command || r.Env[0] != "A=b" || !r.Agent || r.Terminal.Type != "xterm" || r.Terminal.Modes[53] != 1 {
			t.Errorf("%s, %+v", profile, r)
		}
		s.Started()
		if size := <-s.Resizes; size != (control.WindowSize{Columns: 100, Rows: 30}) {
			t.Errorf("%+v", size)
		}
		return control.SessionExit{Signal: <-s.Signals, Core: true}, nil
	}})
	resizes, signals := make(chan control.WindowSize, 1), make(chan string, 1)
	started := false
	exit, err := s.client.Session(t.Context(), "a/b", request, control.SessionStreams{
		Resizes: resizes, Signals: signals,
		Started: func() {
			started = true
			resizes <- control.WindowSize{Columns: 100, Rows: 30}
			signals <- "USR1"
		},
	})
	if err != nil || !started || exit != (control.SessionExit{Signal: "USR1", Core: true}) {
		t.Errorf("%+v, %v", exit, err)
	}
}

// eager fails a test that reads it.
type eager struct{ t *testing.T }

func (e eager) Read([]byte) (int, error) {
	e.t.Error("stdin was read")
	return 0, io.EOF
}

func TestSessionRefused(t *testing.T) {
	want := fault.New(fault.UnknownProfile, "", "there is no profile %q", "x").WithHint("look")
	s := serve(t, &sessions{session: func(context.Context, string, control.SessionRequest, control.SessionStreams) (control.SessionExit, error) {
		return control.SessionExit{}, want
	}})
	_, err := s.client.Session(t.Context(), "x", control.SessionRequest{}, control.SessionStreams{Stdin: eager{t}})
	wantCode(t, err, fault.UnknownProfile)
	if fault.HintOf(err) != "look" {
		t.Error(fault.HintOf(err))
	}
	if a := s.access(t, 0); fault.CodeOf(a.Err) != fault.UnknownProfile || a.Status != http.StatusSwitchingProtocols {
		t.Errorf("%+v", a)
	}
}

func TestSessionPanics(t *testing.T) {
	s := serve(t, &sessions{session: func(context.Context, string, control.SessionRequest, control.SessionStreams) (control.SessionExit, error) {
		panic("oh")
	}})
	if _, err := s.client.Session(t.Context(), "x", control.SessionRequest{}, control.SessionStreams{}); err == nil || err.Error() != "internal error" {
		t.Error(err)
	}
}

// A client that leaves, and one that breaks the rules, end the session.
func TestSessionWithoutClient(t *testing.T) {
	over := make(chan error, 1)
	s := serve(t, &sessions{session: func(ctx context.Context, _ string, _ control.SessionRequest, s control.SessionStreams) (control.SessionExit, error) {
		s.Started()
		_, err := io.Copy(s.Stdout, s.Stdin)
		<-ctx.Done()
		over <- errors.Join(err, context.Cause(ctx))
		return control.SessionExit{}, ctx.Err()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	in, typed := io.Pipe()
	defer typed.Close()
	_, err := s.client.Session(ctx, "x", control.SessionRequest{}, control.SessionStreams{Stdin: in, Started: cancel})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := <-over; err == nil || !strings.Contains(err.Error(), "left") {
		t.Error(err)
	}
}

// The daemon holds no more of a stream than its window, however slow the client.
func TestSlowTerminalDoesNotGrowTheDaemon(t *testing.T) {
	sent := make(chan int, 1<<16)
	s := serve(t, &sessions{session: func(ctx context.Context, _ string, _ control.SessionRequest, s control.SessionStreams) (control.SessionExit, error) {
		s.Started()
		for {
			n, err := s.Stdout.Write(make([]byte, 8<<10))
			if err != nil {
				return control.SessionExit{}, err
			}
			sent <- n
		}
	}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	in, typed := io.Pipe()
	defer typed.Close()
	stuck := make(chan struct{})
	over := make(chan error, 1)
	go func() {
		_, err := s.client.Session(ctx, "x", control.SessionRequest{}, control.SessionStreams{Stdin: in, Stdout: writerFunc(func(p []byte) (int, error) { <-stuck; return 0, io.ErrClosedPipe })})
		over <- err
	}()
	total := 0
	for quiet := false; !quiet; {
		select {
		case n := <-sent:
			total += n
		case <-time.After(200 * time.Millisecond):
			quiet = total > 0
		}
	}
	if total > 2*control.StreamWindow {
		t.Errorf("%d bytes went out to nobody", total)
	}
	close(stuck)
	if err := <-over; !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Sessions have places of their own: 256, and none of the quick requests'.
func TestManySessions(t *testing.T) {
	s := serve(t, &sessions{session: cat})
	var batch sync.WaitGroup
	var ends []io.Closer
	running := make(chan bool, 300)
	for range 256 {
		in, typed := io.Pipe()
		ends = append(ends, typed)
		batch.Go(func() {
			exit, err := s.client.Session(t.Context(), "x", control.SessionRequest{}, control.SessionStreams{Stdin: in, Started: func() { running <- true }})
			if err != nil || exit.Status != 7 {
				t.Error(exit, err)
			}
		})
	}
	for range 256 {
		<-running
	}
	if _, err := s.client.Status(t.Context()); err != nil {
		t.Error(err)
	}
	_, err := s.client.Session(t.Context(), "x", control.SessionRequest{}, control.SessionStreams{})
	if err == nil || !strings.Contains(err.Error(), "256") {
		t.Error(err)
	}
	for _, c := range ends {
		c.Close()
	}
	batch.Wait()
	runtime.KeepAlive(ends)
}

// pipes is a Pipe of a TCP connection.
type pipes struct{ *net.TCPConn }

func dialTCP(_ context.Context, target string) (control.Pipe, error) {
	c, err := net.Dial("tcp", target)
	if err != nil {
		return nil, fault.New(fault.TargetRefused, fault.Forward, "%w", err)
	}
	return pipes{c.(*net.TCPConn)}, nil
}

// backwards answers with all that it read, once that is over.
func backwards(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			text, _ := io.ReadAll(c)
			c.Write(text)
			c.Close()
		}
	}()
	return l.Addr().String()
}

func TestDialEndsOneDirectionAtATime(t *testing.T) {
	s := serve(t, &sessions{dialed: dialTCP})
	p, err := s.client.Dial(t.Context(), "work", backwards(t))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	text := bytes.Repeat([]byte("all of this "), 1<<18)
	if _, err := p.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := p.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(p); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestDialRefused(t *testing.T) {
	s := serve(t, &sessions{dialed: dialTCP})
	_, err := s.client.Dial(t.Context(), "work", "127.0.0.1:1")
	wantCode(t, err, fault.TargetRefused)
	if status, body := curl(t, s, "http://tunneld/v1/profiles/work/session"); !strings.HasPrefix(status, "426 ") || !strings.Contains(body, "WebSocket") {
		t.Errorf("%s %s", status, body)
	}
	web := []string{"-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "-H", "Origin: http://tunneld"}
	if status, body := curl(t, s, append(web, "http://tunneld/v1/profiles/work/session")...); !strings.HasPrefix(status, "403 ") {
		t.Errorf("of a web page: %s %s", status, body)
	}
}

// broken is a pipe whose connection dies with a reason.
type broken struct{ control.Pipe }

func (broken) Read([]byte) (int, error) {
	return 0, fault.New(fault.KeepaliveLost, fault.Connect, "silent")
}
func (broken) Write(p []byte) (int, error) { return len(p), nil }
func (broken) CloseWrite() error           { return nil }
func (broken) Close() error                { return nil }

func TestDialTellsWhyItBroke(t *testing.T) {
	s := serve(t, &sessions{dialed: func(context.Context, string) (control.Pipe, error) { return broken{}, nil }})
	p, err := s.client.Dial(t.Context(), "work", "x:1")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	_, err = io.ReadAll(p)
	wantCode(t, err, fault.KeepaliveLost)
}

// A client hears why the daemon that ends has ended its session or connection.
func TestEndOfServerIsTold(t *testing.T) {
	stopping := errors.New("the daemon is stopping")
	for name, use := range map[string]func(c *control.Client, started func()) error{
		"session": func(c *control.Client, started func()) error {
			_, err := c.Session(context.Background(), "work", control.SessionRequest{}, control.SessionStreams{Started: started})
			return err
		},
		"connection": func(c *control.Client, started func()) error {
			p, err := c.Dial(context.Background(), "work", "x:1")
			if err != nil {
				return err
			}
			defer p.Close()
			started()
			_, err = io.ReadAll(p)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			s := serveUntil(ctx, t, &sessions{
				session: func(ctx context.Context, _ string, _ control.SessionRequest, s control.SessionStreams) (control.SessionExit, error) {
					s.Started()
					<-ctx.Done()
					return control.SessionExit{}, stopping
				},
				dialed: func(ctx context.Context, _ string) (control.Pipe, error) { return until{ctx: ctx, err: stopping}, nil },
			}, control.ListenOptions{})
			if err := use(s.client, cancel); err == nil || err.Error() != stopping.Error() {
				t.Error(err)
			}
		})
	}
}

// until is a pipe that breaks when ctx ends.
type until struct {
	broken
	ctx context.Context
	err error
}

func (u until) Read([]byte) (int, error) {
	<-u.ctx.Done()
	return 0, u.err
}

// stuckPipe takes nothing until over is closed.
type stuckPipe struct{ over <-chan struct{} }

func (s stuckPipe) Read([]byte) (int, error)  { <-s.over; return 0, io.ErrClosedPipe }
func (s stuckPipe) Write([]byte) (int, error) { <-s.over; return 0, io.ErrClosedPipe }
func (s stuckPipe) CloseWrite() error         { return nil }
func (s stuckPipe) Close() error              { return nil }

// Bytes that nobody takes are given up with their context.
func TestDialWriteEndsWithItsContext(t *testing.T) {
	over := make(chan struct{})
	s := serve(t, &sessions{dialed: func(context.Context, string) (control.Pipe, error) { return stuckPipe{over}, nil }})
	defer close(over)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p, err := s.client.Dial(ctx, "work", "x:1")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	wrote, failed := make(chan int, 1<<10), make(chan error, 1)
	go func() {
		for {
			n, err := p.Write(make([]byte, control.FrameLimit))
			if err != nil {
				failed <- err
				return
			}
			wrote <- n
		}
	}()
	for stuck := false; !stuck; {
		select {
		case <-wrote:
		case <-time.After(200 * time.Millisecond):
			stuck = true
		}
	}
	cancel()
	select {
	case <-failed:
	case <-time.After(patience):
		t.Error("it still waits")
	}
}
