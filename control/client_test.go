package control_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tunneld/control"
	"tunneld/fault"
)

// What a client asks arrives, and what the daemon answers comes back.
func TestRoundTrip(t *testing.T) {
	since := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	var got control.Answer
	d := &fake{
		status: control.Status{Version: "1", Since: since, Profiles: []control.Profile{{Name: "work", State: "up"}}},
		listed: []control.Prompt{{
			ID: "work/1", Profile: "work", Code: fault.HostKeyUnknown, Since: since, Prompts: []control.PromptLine{},
			HostKey: &control.HostKeyPrompt{Name: "h", Type: "ssh-ed25519", Fingerprint: "SHA256:x", Known: []control.KnownHostKey{}},
		}},
		answered: func(a control.Answer) error { got = a; return nil },
	}
	s := serve(t, d)
	ctx := t.Context()
	if status, err := s.client.Status(ctx); err != nil || !cmp.Equal(status, d.status) {
		t.Errorf("status: %v\n%s", err, cmp.Diff(d.status, status))
	}
	if prompts, err := s.client.Prompts(ctx); err != nil || !cmp.Equal(prompts, d.listed) {
		t.Errorf("prompts: %v\n%s", err, cmp.Diff(d.listed, prompts))
	}
	a := control.Answer{ID: "work/1", Answers: []string{"SHA256:x"}, Replace: true}
	if err := s.client.Answer(ctx, a); err != nil || !cmp.Equal(a, got) {
		t.Errorf("answer: %v\n%s", err, cmp.Diff(a, got))
	}
	for _, err := range []error{s.client.Act(ctx, control.Up, "work", ""), s.client.Act(ctx, control.Down, "work", "d/b"), s.client.Act(ctx, control.Restart, "w w", "db")} {
		if err != nil {
			t.Errorf("act: %v", err)
		}
	}
	if want := []string{"up work ", "down work d/b", "restart w w db"}; !slices.Equal(d.acted, want) {
		t.Errorf("acted %q, want %q", d.acted, want)
	}
	if err := s.client.Act(ctx, "dance", "work", ""); err == nil {
		t.Error("an unknown action was taken")
	}
	if r, err := s.client.Reload(ctx, control.ReloadOptions{}); err != nil || len(r.Changes) != 1 || r.Changes[0].Forward != "db" || len(r.Problems) != 1 {
		t.Errorf("reload: %+v, %v", r, err)
	}
}

// What becomes of a reload's changes arrives, and nonsense does not.
func TestReloadOptions(t *testing.T) {
	d := &fake{}
	s := serve(t, d)
	for _, o := range []control.ReloadOptions{{}, {Keep: true}, {UndoAfter: 5 * time.Minute}, {UndoAfter: 1500 * time.Millisecond}} {
		if _, err := s.client.Reload(t.Context(), o); err != nil || d.reloaded != o {
			t.Errorf("%+v: %+v, %v", o, d.reloaded, err)
		}
	}
	d.reloaded = control.ReloadOptions{}
	for _, o := range []control.ReloadOptions{{UndoAfter: -1}, {UndoAfter: 1, Keep: true}} {
		if _, err := s.client.Reload(t.Context(), o); err == nil || d.reloaded != (control.ReloadOptions{}) {
			t.Errorf("%+v: %+v, %v", o, d.reloaded, err)
		}
	}
}

// Secrets come and go, under any name, and the daemon knows who brought them.
func TestSecrets(t *testing.T) {
	d := &fake{}
	s := serve(t, d)
	const name, secret = "work/é %2f", "p\"a\\ss wörd"
	if err := s.client.SetSecret(t.Context(), name, []byte(secret)); err != nil || d.secrets[name] != secret {
		t.Errorf("%v: %q", err, d.secrets)
	}
	if want := (control.Peer{User: strconv.Itoa(os.Geteuid()), PID: os.Getpid()}); d.peer != want {
		t.Errorf("peer %+v, want %+v", d.peer, want)
	}
	if err := s.client.RemoveSecret(t.Context(), name); err != nil || len(d.secrets) != 0 {
		t.Errorf("%v: %q", err, d.secrets)
	}
	if err := s.client.SetSecret(t.Context(), "x", nil); err == nil {
		t.Error("an empty secret was taken")
	}
	a := s.access(t, 0)
	if a.Peer.User != strconv.Itoa(os.Geteuid()) || a.Status != 204 || strings.Contains(a.Path, secret) {
		t.Errorf("access %+v", a)
	}
}

// An error of the daemon keeps its code, message and hint.
func TestErrorsKeepTheirCode(t *testing.T) {
	want := fault.New(fault.HostKeyChanged, fault.HostKey, "another key").WithHint("compare")
	plain := errors.New("two prompts, one answer")
	d := &fake{}
	s := serve(t, d)
	d.answered = func(control.Answer) error { return want }
	err := s.client.Answer(t.Context(), control.Answer{})
	if f := fault.As(err); f == nil || f.Code != want.Code || f.Message != want.Message || f.Hint != want.Hint {
		t.Errorf("got %#v", err)
	}
	d.answered = func(control.Answer) error { return plain }
	if err := s.client.Answer(t.Context(), control.Answer{}); err == nil || err.Error() != plain.Error() {
		t.Errorf("got %v", err)
	}
}

// The events of a trace come one by one, while it runs; then its failure.
func TestTrace(t *testing.T) {
	next := make(chan struct{})
	d := &fake{traced: func(_ context.Context, profile string, tell func(control.Event)) error {
		if profile != "work" {
			return fault.New(fault.UnknownProfile, "", "there is no profile %q", profile)
		}
		for _, step := range []fault.Step{fault.Connect, fault.Kex} {
			tell(control.Event{Step: step, Message: "<step>"})
			<-next // the client has it
		}
		return fault.New(fault.AuthRejected, fault.Auth, "no key")
	}}
	s := serve(t, d)
	var steps []fault.Step
	err := s.client.Trace(t.Context(), "work", control.TraceOptions{}, func(e control.Event) {
		steps = append(steps, e.Step)
		next <- struct{}{}
	})
	wantCode(t, err, fault.AuthRejected)
	if !slices.Equal(steps, []fault.Step{fault.Connect, fault.Kex}) {
		t.Errorf("steps %v", steps)
	}
	wantCode(t, s.client.Trace(t.Context(), "play", control.TraceOptions{}, nil), fault.UnknownProfile)
}

// A trace ends in the daemon when its client goes, and one without events is fine.
func TestTraceEndsWithItsClient(t *testing.T) {
	ended := make(chan struct{})
	d := &fake{traced: func(ctx context.Context, profile string, tell func(control.Event)) error {
		if profile == "quiet" {
			return nil
		}
		tell(control.Event{})
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	}}
	s := serve(t, d)
	if err := s.client.Trace(t.Context(), "quiet", control.TraceOptions{}, nil); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.client.Trace(ctx, "work", control.TraceOptions{}, func(control.Event) { cancel() }); err == nil {
		t.Error("no error")
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the daemon traces on")
	}
}

// What takes longer than a client may take to read is no slow client.
func TestSlowDaemon(t *testing.T) {
	t.Parallel()
	const long = 10500 * time.Millisecond // beyond the server's limit for a write
	d := &fake{answered: func(control.Answer) error { time.Sleep(long); return nil }}
	d.traced = func(_ context.Context, _ string, tell func(control.Event)) error {
		tell(control.Event{})
		time.Sleep(long)
		return nil
	}
	s := serve(t, d)
	var both sync.WaitGroup
	both.Go(func() {
		if err := s.client.Answer(t.Context(), control.Answer{}); err != nil {
			t.Errorf("answer: %v", err)
		}
	})
	both.Go(func() {
		if err := s.client.Trace(t.Context(), "work", control.TraceOptions{}, func(control.Event) {}); err != nil {
			t.Errorf("trace: %v", err)
		}
	})
	both.Wait()
}

// A panic is one request's alone: the client hears little, the daemon all.
func TestPanicIsContained(t *testing.T) {
	d := &fake{answered: func(control.Answer) error { panic("boom") }}
	d.traced = func(_ context.Context, _ string, tell func(control.Event)) error {
		tell(control.Event{})
		panic("bang")
	}
	s := serve(t, d)
	if err := s.client.Answer(t.Context(), control.Answer{}); err == nil || err.Error() != "internal error" {
		t.Errorf("got %v", err)
	}
	if err := s.client.Trace(t.Context(), "work", control.TraceOptions{}, func(control.Event) {}); err == nil || err.Error() != "internal error" {
		t.Errorf("got %v", err)
	}
	for i, want := range []string{"boom", "bang"} {
		var p *fault.Panic
		if a := s.access(t, i); !errors.As(a.Err, &p) || p.Value != want || len(p.Stack) == 0 {
			t.Errorf("access %+v", a)
		}
	}
	if _, err := s.client.Status(t.Context()); err != nil {
		t.Error(err)
	}
}

// Where no daemon is, the error says so and how to start one.
func TestNoDaemon(t *testing.T) {
	path := socketPath(t)
	_, err := control.Dial(t.Context(), path)
	wantCode(t, err, fault.DaemonNotRunning)
	_, err = control.New(path).Status(t.Context())
	wantCode(t, err, fault.DaemonNotRunning)
	if !strings.HasPrefix(err.Error(), "daemon_not_running: no daemon answers at "+path) {
		t.Errorf("error %v", err)
	}
}

// Many clients at once, of which some give up, leave nothing behind.
func TestManyClients(t *testing.T) {
	d := &fake{traced: func(ctx context.Context, _ string, tell func(control.Event)) error {
		for ctx.Err() == nil {
			tell(control.Event{Message: "step"})
		}
		return ctx.Err()
	}}
	s := serve(t, d)
	var clients sync.WaitGroup
	for i := range 60 {
		clients.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var err error
			switch i % 3 {
			case 0:
				_, err = s.client.Status(ctx)
			case 1:
				_, err = s.client.Reload(ctx, control.ReloadOptions{})
			default:
				if s.client.Trace(ctx, "work", control.TraceOptions{}, func(control.Event) { cancel() }) == nil {
					err = errors.New("an endless trace ended well")
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	clients.Wait()
}
