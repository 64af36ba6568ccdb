package link

import (
	"context"
	"errors"
	"strings"
	"time"

	"tunneld/fault"
	"tunneld/identity"
)

// State is where a link stands.
//
//	         start                     steps 1-3 done
//	down ───────────▶ connecting ──────────────────────▶ up ───────┐
//	 ▲                ▲ ▲   │  │                          │ lost    │ unused for
//	 │ stop           │ │   │  └─▶ blocked                │ in use  │ long enough,
//	 │          timer │ │   ▼      (until a person, or    ▼         │ or lost unused
//	 │        or file │ │   │       a file, mends it)     │         │
//	 ├──────────────── waiting (until t, why) ◀───────────┘         │
//	 │                │ refused (why; slow retry)                   │
//	 │           used │  │ waiting, and nobody uses it              │
//	 │                │  ▼                                          │
//	 └──────────────── idle ◀───────────────────────────────────────┘
//	                   (on demand alone; start leads here, too)
type State string

// The states of a link.
const (
	Down       State = "down"
	Connecting State = "connecting"
	Up         State = "up"
	Waiting    State = "waiting" // until RetryAt, because of Err
	Blocked    State = "blocked" // until a person mends Err
	Refused    State = "refused" // until RetryAt, or until the files that led to Err change
	Idle       State = "idle"    // until somebody uses it; Err is why the last attempt failed
)

// Event is one step of a connection or one change of state.
type Event struct {
	Time    time.Time
	State   State      // the new state; "" for a step
	Step    fault.Step // the step; for a state, where Err happened
	Message string     // constant for its kind
	Detail  string     // what varies, without secrets
	Err     error      // why, or nil
	RetryAt time.Time  // of waiting and refused
}

// Status is what was observed of a link.
type Status struct {
	State      State
	Since      time.Time
	Err        error         // why it is waiting, blocked or refused, or was before it became idle
	RetryAt    time.Time     // of waiting and refused
	Reconnects int           // times it came up after the first
	LastDown   Outage        // the last loss in use; zero if there was none
	Peer       Peer          // of the live connection, zero unless up
	RTT        time.Duration // of the last keepalive; 0 before the first
}

// Outage is a time without a connection.
type Outage struct {
	From, To time.Time // To is zero while it lasts
	Err      error
}

func (o Outage) lasts() bool { return !o.From.IsZero() && o.To.IsZero() }

// Peer is what steps 1 to 3 found out about the live connection.
type Peer struct {
	Address     string // the address dialled
	Version     string // the server's identification string
	KeyExchange string
	Cipher      string // from the server to us; the other direction is chosen alike
	HostKey     identity.Verdict
	Login       identity.Attempt
}

// String describes the peer for a log.
func (p Peer) String() string {
	if p.Address == "" {
		return ""
	}
	return p.Address + " " + p.Version + " " + p.Cipher + " " + p.KeyExchange
}

// Status returns what is known now.
func (l *Link) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.status
	if l.live != nil {
		s.RTT = time.Duration(l.live.rtt.Load())
	}
	return s
}

// move is the one function that changes the state.
func (l *Link) move(to State, err error, retryAt time.Time) {
	l.telling.Lock()
	defer l.telling.Unlock()
	now := l.now()
	l.mu.Lock()
	from := l.status.State
	s := &l.status
	lost := from == Up && to != Up
	if lost {
		l.live, s.Peer = nil, Peer{}
		l.demand.wanted = l.demand.wanted || l.demand.uses > 0
	}
	if to != Connecting {
		l.demand.first = to == Idle
	}
	switch {
	case lost && to != Idle:
		s.LastDown = Outage{From: now, Err: err}
	case to == Idle && s.LastDown.lasts():
		s.LastDown.To = now // nobody misses it any more
	}
	switch {
	case lost && to == Idle:
		s.Err = nil
	case (to == Connecting || to == Idle) && from != Up && from != Down: // the reason of the wait before is kept
	default:
		s.Err = err
	}
	if from != to {
		s.Since = now
	}
	s.State, s.RetryAt = to, retryAt
	peer := s.Peer
	close(l.changed)
	l.changed = make(chan struct{})
	l.mu.Unlock()
	l.tell(Event{Time: now, State: to, Step: stepOf(err), Message: "link " + string(to), Detail: peer.String(), Err: err, RetryAt: retryAt})
}

// rise moves to up with a live connection.
func (l *Link) rise(c *conn) {
	l.mu.Lock()
	l.live = c
	l.demand.wanted, l.demand.since = false, l.now()
	s := &l.status
	s.Peer = c.peer
	if s.LastDown.lasts() {
		s.Reconnects++
		s.LastDown.To = l.now()
	}
	l.mu.Unlock()
	l.move(Up, nil, time.Time{})
}

// step tells that a step is done. It does not change the state.
func (l *Link) step(step fault.Step, message, detail string) {
	l.report(Event{Step: step, Message: message, Detail: detail})
}

// report tells an event of now that does not change the state.
func (l *Link) report(e Event) {
	l.telling.Lock()
	defer l.telling.Unlock()
	e.Time = l.now()
	l.tell(e)
}

// stepAt is step for a jump host of that name, which leads the detail; "" is
// the target.
func (l *Link) stepAt(hop string, step fault.Step, message, detail string) {
	if hop != "" {
		detail = strings.TrimSpace(hop + ": " + detail)
	}
	l.step(step, message, detail)
}

func (l *Link) tell(e Event) {
	if l.Events != nil {
		l.Events(e)
	}
}

func stepOf(err error) fault.Step {
	if f := fault.As(err); f != nil {
		return f.Step
	}
	return ""
}

// await returns the live connection. A patient caller waits for it until ctx
// ends; another waits only while the link is on its way (connecting or
// waiting), and else gets the reason why there is none.
func (l *Link) await(ctx context.Context, patient bool) (*conn, error) {
	for {
		live, changed, err := l.look(patient)
		if live != nil || err != nil {
			return live, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// look returns the live connection, or why it is of no use to wait for one, or
// else what is closed when there is more to see.
func (l *Link) look(patient bool) (live *conn, changed <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.live != nil && l.status.State == Up && !l.live.isDead():
		return l.live, nil, nil
	case !patient && l.status.isStuck():
		return nil, nil, unavailable(l.status)
	}
	return nil, l.changed, nil
}

// isStuck reports that waiting for the link is of no use. One that was never
// served is about to be.
func (s Status) isStuck() bool {
	switch s.State {
	case Blocked, Refused:
		return true
	case Down:
		return !s.Since.IsZero()
	default:
		return false
	}
}

// ErrDown is the reason of a link that nobody started, or that was stopped.
var ErrDown = errors.New("the link is down")

func unavailable(s Status) error {
	if s.Err != nil {
		return s.Err
	}
	return ErrDown
}
