package main

import (
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"tunneld/control"
)

const (
	recently   = 10 * time.Minute // how far back the events of a new screen go
	keptEvents = 20               // more than any screen shows
)

// happened is an event that the daemon told.
type happened control.Event

// follow tells the screen what happens, for as long as it is there. A daemon
// that went away is asked again every second.
func (w *world) follow(tell func(tea.Msg)) {
	since := time.Now().Add(-recently)
	for w.ctx.Err() == nil {
		// That it failed, the look at the status says.
		_ = w.client.Events(w.ctx, control.EventOptions{Since: since, Follow: true}, func(e control.Event) {
			since = e.Time.Add(time.Nanosecond)
			if w.only == "" || e.Profile == w.only {
				tell(happened(e))
			}
		})
		select {
		case <-time.After(lookEvery):
		case <-w.ctx.Done():
		}
	}
}

// hear keeps what a person wants to see: no steps, and no requests, whose effect
// is an event of its own.
func (l *live) hear(e control.Event) {
	if e.Level == control.Debug || e.Kind == "api" && e.Level == control.Info {
		return
	}
	l.events = append(l.events, e)
	l.events = l.events[max(0, len(l.events)-keptEvents):]
}

// news is the part with the events, which is small where there is little room.
func (l *live) news() []string {
	n := min(8, (l.height-4)/4, len(l.events))
	if l.noEvents || l.help || n < 1 {
		return nil
	}
	last := l.events[len(l.events)-n:]
	subject := 0
	for _, e := range last {
		subject = max(subject, utf8.RuneCountInString(subjectOf(e)))
	}
	lines := []string{paint(dim, "EVENTS")}
	for _, e := range last {
		when := e.Time.In(l.now.Location()).Format("15:04:05")
		lines = append(lines, when+"  "+pad(subjectOf(e), subject)+"  "+paint(eventColor(e), oneLine(e.Message))+particulars(e))
	}
	return lines
}
