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

// journal turns what the leaves tell into events. A retry that fails in the
// same way again is told once and then counted, so that a server that is away
// for a week fills no disk.
type journal struct {
	tell func(control.Event)

	mu   sync.Mutex // guards what follows, and keeps the events in order
	rows map[subject]*failures
}

// subject is what can fail again and again. Connections through a forward are
// a subject of their own.
type subject struct{ kind, profile, forward string }

// failures are what a subject failed with since it last worked: what was told
// of them, by code or, without one, by message, and how many were only counted.
type failures struct {
	told    map[string]bool
	repeats int
}

// kindsLimit bounds the messages without a code that a row of failures keeps.
const kindsLimit = 50

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
	j.report(linkEvent(profile, e), e.Err, e.State == link.Up, e.State == link.Connecting)
}

// linkEvent is a link's event on the wire.
func linkEvent(profile string, e link.Event) control.Event {
	out := control.Event{Time: e.Time, Kind: "link", Profile: profile, Step: e.Step, State: string(e.State), Message: e.Message, Detail: e.Detail, Level: control.Info}
	switch e.State {
	case "":
		out.Level = control.Debug
		if e.Err != nil {
			out.Level = control.Warn
		}
	case link.Refused, link.Blocked:
		out.Level = control.Fault
	case link.Waiting:
		out.Level = control.Warn
	}
	if e.Err != nil {
		describe(&out, e.Err)
	}
	return out
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

// connected tells that connections through a forward work again.
func (j *journal) connected(profile, name string) {
	j.report(control.Event{Kind: "connection", Profile: profile, Forward: name, Step: fault.Forward, Message: "connections work again", Level: control.Info}, nil, true, false)
}

// probe tells that a forward's probe failed, or with nil that it works again.
func (j *journal) probe(profile, name string, err error) {
	out := control.Event{Kind: "probe", Profile: profile, Forward: name, Step: fault.Forward, Message: "probe failed", Level: control.Warn}
	if err == nil {
		out.Message, out.Level = "probe works again", control.Info
	}
	j.report(out, err, err == nil, false)
}

// report tells e unless it repeats what the subject failed with in this row.
// good ends the row; an attempt within one is not worth a line.
func (j *journal) report(e control.Event, err error, good, attempt bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	key := subject{e.Kind, e.Profile, e.Forward}
	row := j.rows[key]
	switch {
	case err != nil:
		if e.Code == "" {
			describe(&e, err)
		}
		if row = j.row(key); !row.isNew(kindOf(err)) {
			row.repeats++
			return
		}
		e.Repeats = row.repeats
	case attempt && row != nil:
		return
	case e.State == string(link.Idle) && row != nil && !row.isNew(e.State): // each client that cannot be served ends so
		return
	case good && row != nil:
		e.Repeats = row.repeats
		delete(j.rows, key)
	}
	j.send(e)
}

func (j *journal) row(key subject) *failures {
	if j.rows == nil {
		j.rows = map[subject]*failures{}
	}
	if j.rows[key] == nil {
		j.rows[key] = &failures{told: map[string]bool{}}
	}
	return j.rows[key]
}

// kindOf is the code of err, and the code below it where a hop failed with its
// own; without one it is the message.
func kindOf(err error) string {
	outer := fault.As(err)
	if outer == nil {
		return err.Error()
	}
	return string(outer.Code) + " " + string(fault.CodeOf(outer.Err))
}

// isNew reports whether the row has not told something of this kind yet.
func (f *failures) isNew(kind string) bool {
	if f.told[kind] || len(f.told) >= kindsLimit {
		return false
	}
	f.told[kind] = true
	return true
}

// forget drops what is known of a profile, or of one forward of it.
func (j *journal) forget(profile, name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for key := range j.rows {
		if key.profile == profile && (name == "" || key.forward == name) {
			delete(j.rows, key)
		}
	}
}

// describe puts what is known of err into an event.
func describe(e *control.Event, err error) {
	var p *fault.Panic
	f := fault.As(err)
	switch {
	case f != nil:
		e.Code, e.Hint = f.Code, hintFor(e.Profile, err)
		e.Detail = f.Message
		if f.Step != "" {
			e.Step = f.Step
		}
	case errors.As(err, &p):
		e.Level, e.Detail = control.Fault, panicText(err)
	default:
		e.Detail = err.Error()
	}
}

// panicText is a panic with its stack.
func panicText(err error) string {
	var p *fault.Panic
	if errors.As(err, &p) {
		return p.Error() + "\n" + string(p.Stack)
	}
	return err.Error()
}
