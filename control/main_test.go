package control_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tunneld/control"
	"tunneld/fault"
)

// patience bounds every wait of these tests, on a machine that runs others.
const patience = 20 * time.Second

// serveEnv makes the test program a daemon at the path that it names.
const serveEnv = "CONTROL_TEST_SERVE"

func TestMain(m *testing.M) {
	if path := os.Getenv(serveEnv); path != "" {
		os.Exit(serveHere(path))
	}
	goleak.VerifyTestMain(m)
}

// serveHere is a daemon in a process of its own, to be killed.
func serveHere(path string) int {
	l, err := control.Listen(path, control.ListenOptions{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("serving")
	fmt.Println(control.Serve(context.Background(), l, &fake{}, control.Options{}))
	return 1
}

// fake is a daemon that does as it is told.
type fake struct {
	control.Daemon // nil: what a test does not set panics
	status         control.Status
	listed         []control.Prompt
	answered       func(control.Answer) error
	traced         func(ctx context.Context, profile string, tell func(control.Event)) error
	events         func(ctx context.Context, opts control.EventOptions, tell func(control.Event)) error

	mu       sync.Mutex // guards what follows
	secrets  map[string]string
	acted    []string
	peer     control.Peer
	reloaded control.ReloadOptions
}

func (f *fake) Status() control.Status                           { return f.status }
func (f *fake) Metrics() http.Handler                            { return http.HandlerFunc(scrape) }
func (f *fake) Prompts() []control.Prompt                        { return f.listed }
func (f *fake) Answer(_ context.Context, a control.Answer) error { return f.answered(a) }
func (f *fake) Act(_ context.Context, action control.Action, profile, forward string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.acted = append(f.acted, string(action)+" "+profile+" "+forward)
	return nil
}
func (f *fake) Reload(_ context.Context, o control.ReloadOptions) (control.ReloadResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reloaded = o
	return control.ReloadResult{
		Changes:  []control.Change{{Verb: "start_forward", Profile: "work", Forward: "db"}},
		Problems: []control.Problem{{File: "profiles/lab.toml", Line: 7, Column: 1, Message: "unknown key"}},
	}, nil
}

// scrape answers as a daemon's metrics do.
func scrape(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	io.WriteString(w, "tunneld_link_up{profile=\"work\"} 1\n")
}

func (f *fake) SetSecret(ctx context.Context, name string, secret []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.peer, _ = control.PeerOf(ctx)
	if f.secrets == nil {
		f.secrets = map[string]string{}
	}
	f.secrets[name] = string(secret)
	return nil
}

func (f *fake) RemoveSecret(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.secrets, name)
	return nil
}

func (f *fake) Trace(ctx context.Context, profile string, _ control.TraceOptions, tell func(control.Event)) error {
	return f.traced(ctx, profile, tell)
}

func (f *fake) Events(ctx context.Context, opts control.EventOptions, tell func(control.Event)) error {
	return f.events(ctx, opts, tell)
}

// running is a served socket.
type running struct {
	path   string
	client *control.Client

	mu       sync.Mutex // guards what follows
	accesses []control.Access
}

// serve runs d until the test is over, and checks that Serve ends then.
func serve(t *testing.T, d control.Daemon) *running {
	t.Helper()
	return serveFor(t, d, control.ListenOptions{})
}

func serveFor(t *testing.T, d control.Daemon, o control.ListenOptions) *running {
	t.Helper()
	return serveUntil(context.Background(), t, d, o)
}

// serveUntil is serveFor where ctx may end it before.
func serveUntil(ctx context.Context, t *testing.T, d control.Daemon, o control.ListenOptions) *running {
	t.Helper()
	path := socketPath(t)
	l, err := control.Listen(path, o)
	if err != nil {
		t.Fatal(err)
	}
	s := &running{path: path, client: control.New(path)}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- control.Serve(ctx, l, d, control.Options{Served: s.served}) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(patience):
			t.Error("Serve does not end")
		}
		if runtime.GOOS == "windows" {
			return // a pipe has no file
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is still there: %v", err)
		}
	})
	return s
}

func (s *running) served(a control.Access) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accesses = append(s.accesses, a)
}

// access waits for the nth request's end.
func (s *running) access(t *testing.T, n int) control.Access {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		if len(s.accesses) > n {
			defer s.mu.Unlock()
			return s.accesses[n]
		}
		s.mu.Unlock()
		if time.Now().After(deadline) {
			t.Fatalf("no access %d", n)
		}
	}
}

// socketPath is short, and in a folder that is not there yet.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "control")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if runtime.GOOS == "windows" {
		return `\\.\pipe\` + filepath.Base(dir)
	}
	return filepath.Join(dir, "run", "tunneld.sock")
}

func dial(t *testing.T, path string) net.Conn {
	t.Helper()
	c, err := dialSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// wantCode checks the code of an error, and that it has a hint.
func wantCode(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if fault.CodeOf(err) != code || fault.HintOf(err) == "" {
		t.Errorf("error %v, hint %q, want %s", err, fault.HintOf(err), code)
	}
}
