package install

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
)

// manager is the test as the service manager of a loop.
type manager struct {
	t        *testing.T
	requests chan svc.ChangeRequest
	statuses chan svc.Status
	steps    chan time.Time
	exit     chan uint32
	loop     *loopState
}

// begin runs a loop whose time passes when the test says so.
func begin(t *testing.T, l *Loop) *manager {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	m := &manager{
		t: t, requests: make(chan svc.ChangeRequest), statuses: make(chan svc.Status),
		steps: make(chan time.Time), exit: make(chan uint32, 1), loop: &loopState{Loop: l},
	}
	l.After = func(time.Duration) <-chan time.Time { return m.steps }
	go m.execute()
	m.expect(svc.StartPending, 1)
	return m
}

func (m *manager) execute() {
	_, code := m.loop.Execute(nil, m.requests, m.statuses)
	m.exit <- code
}

func (m *manager) expect(state svc.State, checkPoint uint32) svc.Status {
	m.t.Helper()
	select {
	case s := <-m.statuses:
		if s.State != state || s.CheckPoint != checkPoint {
			m.t.Fatalf("state %d at %d, not %d at %d", s.State, s.CheckPoint, state, checkPoint)
		}
		return s
	case code := <-m.exit:
		m.t.Fatalf("it ended with %d", code)
	case <-time.After(30 * time.Second):
		m.t.Fatalf("no state %d", state)
	}
	return svc.Status{}
}

func (m *manager) ask(cmd svc.Cmd, event uint32) {
	m.requests <- svc.ChangeRequest{Cmd: cmd, EventType: event}
}

func (m *manager) ends(want uint32) {
	m.t.Helper()
	select {
	case got := <-m.exit:
		if got != want {
			m.t.Errorf("exit code %d, not %d", got, want)
		}
	case <-time.After(30 * time.Second):
		m.t.Error("it does not end")
	}
}

// untilTold serves until ctx ends.
func untilTold(ctx context.Context, ready func()) error {
	ready()
	<-ctx.Done()
	return nil
}

func TestLoop(t *testing.T) {
	var heard []string
	note := func(what string) func() { return func() { heard = append(heard, what) } }
	m := begin(t, &Loop{Serve: untilTold, Reload: note("reload"), Woke: note("woke"), LoggedOn: note("logged on")})
	if s := m.expect(svc.Running, 0); s.Accepts != accepts {
		t.Errorf("it accepts %#x", s.Accepts)
	}
	m.ask(svc.Interrogate, 0)
	m.expect(svc.Running, 0)
	m.ask(svc.ParamChange, 0)
	m.ask(svc.PowerEvent, resumeAutomatic)
	m.ask(svc.PowerEvent, 0xa) // PBT_APMPOWERSTATUSCHANGE
	m.ask(svc.SessionChange, windows.WTS_SESSION_LOGON)
	m.ask(svc.SessionChange, windows.WTS_SESSION_LOGOFF)
	m.ask(svc.Stop, 0)
	m.expect(svc.StopPending, 1)
	m.ends(0)
	if want := []string{"reload", "woke", "logged on"}; !slices.Equal(heard, want) {
		t.Errorf("it heard %q, not %q", heard, want)
	}
}

// A shutdown and a slow end: Windows sees that it goes on.
func TestLoopShutdown(t *testing.T) {
	end := make(chan struct{})
	m := begin(t, &Loop{Serve: func(ctx context.Context, ready func()) error {
		ready()
		<-ctx.Done()
		<-end
		return nil
	}})
	m.expect(svc.Running, 0)
	m.ask(svc.PreShutdown, 0)
	m.expect(svc.StopPending, 1)
	for i := range uint32(3) {
		m.steps <- time.Time{}
		m.expect(svc.StopPending, 2+i)
	}
	m.ask(svc.Stop, 0) // again
	m.ask(svc.Interrogate, 0)
	m.expect(svc.StopPending, 4)
	close(end)
	m.ends(0)
}

// What does not stop is left behind after stopSteps, which is less than 10 s. It
// has no exit code, since Windows would start what an administrator stopped.
func TestLoopStuck(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	m := begin(t, &Loop{Serve: func(_ context.Context, ready func()) error {
		ready()
		<-end
		return nil
	}})
	m.expect(svc.Running, 0)
	m.ask(svc.Stop, 0)
	m.expect(svc.StopPending, 1)
	for i := range uint32(stopSteps - 1) {
		m.steps <- time.Time{}
		m.expect(svc.StopPending, 2+i)
	}
	m.steps <- time.Time{}
	m.ends(0)
	if !errors.Is(m.loop.err, ErrStuck) {
		t.Error(m.loop.err)
	}
}

// One that fails while it stops has stopped, too.
func TestLoopFailsToStop(t *testing.T) {
	failure := errors.New("not flushed")
	m := begin(t, &Loop{Serve: func(ctx context.Context, ready func()) error {
		ready()
		<-ctx.Done()
		return failure
	}})
	m.expect(svc.Running, 0)
	m.ask(svc.Stop, 0)
	m.expect(svc.StopPending, 1)
	m.ends(0)
	if !errors.Is(m.loop.err, failure) {
		t.Error(m.loop.err)
	}
}

func TestLoopFails(t *testing.T) {
	failure := errors.New("no profiles")
	m := begin(t, &Loop{Serve: func(context.Context, func()) error { return failure }})
	m.ends(exitFailed)
	if !errors.Is(m.loop.err, failure) {
		t.Error(m.loop.err)
	}
}

// A start that takes long is reported, and has an end.
func TestLoopSlowStart(t *testing.T) {
	m := begin(t, &Loop{Serve: func(ctx context.Context, _ func()) error {
		<-ctx.Done()
		return nil
	}})
	for i := range uint32(startSteps - 1) {
		m.steps <- time.Time{}
		m.expect(svc.StartPending, 2+i)
	}
	m.steps <- time.Time{}
	m.ends(exitStuck)
}
