package daemon

import (
	"errors"
	"strings"
	"sync"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/forward"
	"tunneld/link"
)

const badProfile = fault.BadProfile

// journal turns what the leaves tell into events. A retry that fails in the
// same way again is told once and then counted, so that a server that is away
// for a week fills no disk.
type journal struct {
	tell func(control.Event)

	mu       sync.Mutex // guards what follows, and keeps the events in order
	failures map[subject]*failure
}

// subject is what can fail again and again. Connections through a forward are
// a subject of their own.
type subject struct{ kind, profile, forward string }

// failure is what a subject last failed with, and how often since it was told.
type failure struct {
	code    fault.Code
	message string // where there is no code
	repeats int
}

// note tells an event as it is.
func (j *journal) note(e control.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.send(e)
}

func (j *journal) send(e control.Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if j.tell != nil {
		j.tell(e)
	}
}

// link tells a step or a change of state of a profile's link.
func (j *journal) link(profile string, e link.Event) {
	out := control.Event{Time: e.Time, Kind: "link", Profile: profile, Step: e.Step, State: string(e.State), Message: e.Message, Detail: e.Detail, Level: control.Info}
	switch e.State {
	case "":
		out.Level = control.Debug
	case link.Refused, link.Blocked:
		out.Level = control.Fault
	case link.Waiting:
		out.Level = control.Warn
	}
	j.report(out, e.Err, e.State == link.Up, e.State == link.Connecting)
}

// forward tells a change of state of a forward.
func (j *journal) forward(profile, name string, s forward.Status) {
	out := control.Event{Kind: "forward", Profile: profile, Forward: name, Step: fault.Forward, State: string(s.State), Message: "forward " + string(s.State), Level: control.Info}
	for _, a := range s.Bound {
		out.Detail = strings.TrimSpace(out.Detail + " " + a.String())
	}
	if s.State == forward.Retrying {
		out.Level = control.Warn
	}
	j.report(out, s.Err, s.State == forward.Listening, false)
}

// connection tells that one connection could not be relayed.
func (j *journal) connection(profile, name string, err error) {
	out := control.Event{Kind: "connection", Profile: profile, Forward: name, Step: fault.Forward, Message: "connection failed", Level: control.Warn}
	j.report(out, err, false, false)
}

// report tells e unless it repeats what the subject failed with last. good
// ends a row of failures; an attempt within one is not worth a line.
func (j *journal) report(e control.Event, err error, good, attempt bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	key := subject{e.Kind, e.Profile, e.Forward}
	last := j.failures[key]
	switch {
	case err != nil:
		describe(&e, err)
		if last != nil && last.code == e.Code && (e.Code != "" || last.message == err.Error()) {
			last.repeats++
			return
		}
		j.remember(key, &failure{code: e.Code, message: err.Error()})
	case attempt && last != nil:
		return
	case good:
		delete(j.failures, key)
	default:
		last = nil // a step, or a stop: it says nothing about the failures
	}
	if last != nil {
		e.Repeats = last.repeats
	}
	j.send(e)
}

func (j *journal) remember(key subject, f *failure) {
	if j.failures == nil {
		j.failures = map[subject]*failure{}
	}
	j.failures[key] = f
}

// forget drops what is known of a profile, or of one forward of it.
func (j *journal) forget(profile, name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for key := range j.failures {
		if key.profile == profile && (name == "" || key.forward == name) {
			delete(j.failures, key)
		}
	}
}

// describe puts what is known of err into an event.
func describe(e *control.Event, err error) {
	var p *fault.Panic
	f := fault.As(err)
	switch {
	case f != nil:
		e.Code, e.Hint = f.Code, fault.HintOf(err)
		e.Detail = f.Message
		if f.Step != "" {
			e.Step = f.Step
		}
	case errors.As(err, &p):
		e.Level, e.Detail = control.Fault, p.Error()+"\n"+string(p.Stack)
	default:
		e.Detail = err.Error()
	}
}
