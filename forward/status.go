package forward

import (
	"fmt"
	"maps"
	"net"
	"time"

	"tunneld/fault"
)

// State is what a Forward's listener is doing.
//
//	           Serve              Listen succeeded
//	Stopped ──────────▶ Waiting ───────────────────▶ Listening
//	   ▲                 │   ▲                        │     │
//	   │ ctx ended       │   │   the listener failed  │     │
//	   │ or Drain        │   └────────────────────────┘     │
//	   │                 │ Listen failed                    │ ... in its first second
//	 (all)               ▼                                  │
//	                  Retrying ◀────────────────────────────┘
//	                     after a while: Listen again; that leads to Listening,
//	                     back here, or to Waiting when it takes its time
type State string

// The states of a Forward.
const (
	Stopped   State = "stopped"   // not served; connections may still be draining
	Waiting   State = "waiting"   // Listen has not returned yet: for a link, mostly
	Listening State = "listening" // new connections are accepted
	Retrying  State = "retrying"  // Listen failed and will be called again
)

// Status is a Forward's state and its particulars.
type Status struct {
	State State
	Bound []net.Addr // where it listens, while Listening
	Err   error      // why it does not, while Retrying, or Waiting after a loss
	Since time.Time  // when State began
}

// Status returns the present state. It is safe to call at any time.
func (f *Forward) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.status
	if s.State == "" {
		s.State = Stopped
	}
	return s
}

// move is the one place where the state changes. Only Serve's goroutine calls
// it, so Changed sees the changes in their order.
func (f *Forward) move(state State, bound []net.Addr, err error) {
	f.mu.Lock()
	old, next := f.status, Status{State: state, Bound: bound, Err: err, Since: f.now()}
	if old.State == state {
		next.Since = old.Since
	}
	f.status = next
	f.mu.Unlock()
	news := old.State != state || fmt.Sprint(old.Err) != fmt.Sprint(err)
	if news && f.Changed != nil {
		f.Changed(next)
	}
}

// Stats counts a Forward's connections since it was made.
type Stats struct {
	Active   int    // open now, those that are being dialled included
	Total    uint64 // accepted
	Failed   uint64 // accepted but not relayed
	ToTarget uint64 // bytes, from accepted connections to dialled ones
	ToOrigin uint64 // bytes, from dialled connections to accepted ones

	// Bytes per second, the mean of about the last 5 s.
	ToTargetRate, ToOriginRate float64

	// Failures counts the failed ones by code; one that panicked has none.
	Failures map[fault.Code]uint64
}

// Stats returns the present counts. It is safe to call at any time.
func (f *Forward) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Failures = maps.Clone(s.Failures)
	now := f.now()
	s.ToTarget, s.ToTargetRate = f.toTarget.read(now)
	s.ToOrigin, s.ToOriginRate = f.toOrigin.read(now)
	return s
}

func (f *Forward) countToTarget(n int) { f.toTarget.add(n, f.now()) }
func (f *Forward) countToOrigin(n int) { f.toOrigin.add(n, f.now()) }

// admit counts a new connection, and returns why it may not stay, or nil.
func (f *Forward) admit() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Total++
	if f.MaxConnections > 0 && f.stats.Active >= f.MaxConnections {
		return fault.New(fault.ListenDenied, fault.Forward, "max_connections: %d are open", f.MaxConnections).
			WithHint("close some, or raise max_connections")
	}
	f.stats.Active++
	return nil
}

// release takes back what admit counted.
func (f *Forward) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Active--
}

// fail counts a connection that could not be relayed, and tells the owner.
func (f *Forward) fail(err error) {
	f.mu.Lock()
	f.failing, f.failed = true, f.now()
	f.stats.Failed++
	if code := fault.CodeOf(err); code != "" {
		if f.stats.Failures == nil {
			f.stats.Failures = map[fault.Code]uint64{}
		}
		f.stats.Failures[code]++
	}
	f.mu.Unlock()
	if f.Failed != nil {
		f.Failed(err)
	}
}

// calm is how long connections must not have failed for a row of failures to be
// over: what fails now and then must not be news each time.
const calm = 10 * time.Second

// recovered tells the owner that a row of failures is over. One that goes on
// between successes is one row.
func (f *Forward) recovered() {
	f.mu.Lock()
	isOver := f.failing && f.now().Sub(f.failed) >= calm
	f.failing = f.failing && !isOver
	f.mu.Unlock()
	if isOver && f.Recovered != nil {
		f.Recovered()
	}
}
