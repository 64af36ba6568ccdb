package install

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
)

// A pending state is reported again every step, so that Windows sees it go on.
// What takes more steps than this fails.
const (
	step       = time.Second
	startSteps = 60
	stopSteps  = 9
)

// The exit codes of a service that failed.
const (
	exitFailed = 1 // Serve's error
	exitStuck  = 2 // it took too long
)

// accepts is what the service wants to hear of.
const accepts = svc.AcceptStop | svc.AcceptPreShutdown | svc.AcceptParamChange | svc.AcceptPowerEvent | svc.AcceptSessionChange

// Power events of WM_POWERBROADCAST (winuser.h) that tell of a wake.
const (
	resumeSuspend   = 0x7  // PBT_APMRESUMESUSPEND
	resumeAutomatic = 0x12 // PBT_APMRESUMEAUTOMATIC
)

// ErrStuck is the error of a service that did not start or stop in its time.
var ErrStuck = errors.New("the service took too long")

// Loop is this process as a service of Windows:
//
//	StartPending ─── ready ──▶ Running ─── Stop, PreShutdown ──▶ StopPending ─── over ──▶ Stopped
//	     └──────── over, or too long: Stopped, with an exit code unless told to stop ┘
//
// Its fields are set before Run.
type Loop struct {
	// Serve runs the program until ctx ends. It calls ready once, before anything
	// that may take long.
	Serve func(ctx context.Context, ready func()) error
	// Reload is called when parameters changed (sc control tunneld paramchange),
	// Woke when the machine did, LoggedOn when a user has come. None of them waits;
	// nil is not called.
	Reload, Woke, LoggedOn func()
	// After is the timer of what is pending; nil is time's.
	After func(time.Duration) <-chan time.Time
}

// Run serves Windows' service manager until the service is over. It returns
// Serve's error, or ErrStuck while Serve still runs.
func (l *Loop) Run() error {
	p := &loopState{Loop: l}
	return errors.Join(svc.Run(Name, p), p.err)
}

// loopState is a run of a Loop; its methods are those of one goroutine.
type loopState struct {
	*Loop
	tell    chan<- svc.Status
	status  svc.Status
	pending <-chan time.Time // the next step; nil while nothing is pending
	limit   uint32           // of steps
	err     error            // set when it is over
}

// Execute implements svc.Handler.
func (p *loopState) Execute(_ []string, requests <-chan svc.ChangeRequest, tell chan<- svc.Status) (specific bool, code uint32) {
	p.tell = tell
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ready, over := make(chan struct{}), make(chan error, 1)
	go p.serve(ctx, ready, over)
	p.await(svc.StartPending, startSteps)
	for {
		select {
		case <-ready:
			ready = nil
			p.run()
		case <-p.pending:
			if p.status.CheckPoint >= p.limit {
				p.err = ErrStuck
				return p.failure(exitStuck)
			}
			p.advance()
		case r := <-requests:
			if p.hear(r) {
				cancel()
			}
		case p.err = <-over:
			if p.err != nil {
				return p.failure(exitFailed)
			}
			return false, 0
		}
	}
}

// failure is what Execute says of an error. A service that was told to stop has
// stopped, however that went: Windows would start one that failed again.
func (p *loopState) failure(code uint32) (specific bool, _ uint32) {
	if p.status.State == svc.StopPending {
		return false, 0
	}
	return true, code
}

func (p *loopState) serve(ctx context.Context, ready chan<- struct{}, over chan<- error) {
	over <- p.Serve(ctx, func() { close(ready) })
}

// await reports a pending state.
func (p *loopState) await(state svc.State, steps uint32) {
	p.status = svc.Status{State: state, WaitHint: uint32(3 * step.Milliseconds())}
	p.limit = steps
	p.advance()
}

// advance reports that what is pending goes on.
func (p *loopState) advance() {
	p.status.CheckPoint++
	p.tell <- p.status
	p.pending = p.after(step)
}

// run reports that the service runs, unless it is stopping already.
func (p *loopState) run() {
	if p.status.State != svc.StartPending {
		return
	}
	p.status = svc.Status{State: svc.Running, Accepts: accepts}
	p.pending = nil
	p.tell <- p.status
}

// hear does what the service manager asks for. It reports whether that is to stop.
func (p *loopState) hear(r svc.ChangeRequest) (stop bool) {
	switch r.Cmd {
	case svc.Interrogate:
		p.tell <- p.status
	case svc.Stop, svc.PreShutdown:
		if p.status.State != svc.StopPending {
			p.await(svc.StopPending, stopSteps)
		}
		return true
	case svc.ParamChange:
		call(p.Reload)
	case svc.PowerEvent:
		if r.EventType == resumeAutomatic || r.EventType == resumeSuspend {
			call(p.Woke)
		}
	case svc.SessionChange:
		if r.EventType == windows.WTS_SESSION_LOGON {
			call(p.LoggedOn)
		}
	}
	return false
}

func call(f func()) {
	if f != nil {
		f()
	}
}

func (p *loopState) after(d time.Duration) <-chan time.Time {
	if p.After != nil {
		return p.After(d)
	}
	return time.After(d)
}
