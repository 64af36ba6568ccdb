package daemon

import (
	"errors"
	"strings"
	"testing"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/link"
)

// A server that reaches for the display again and again is a warning, once.
func TestJournalWarnsOfUnaskedChannels(t *testing.T) {
	told := &events{}
	j := &journal{tell: told.add}
	for range 1000 {
		j.link("work", link.Event{Step: fault.X11, Message: "rejected", Err: errors.New("nobody asked for x11")})
	}
	j.link("work", link.Event{Step: fault.Connect, Message: "connected"})
	if n := len(told.all); n != 2 || told.all[0].Level != control.Warn || told.all[0].Step != fault.X11 || told.all[1].Level != control.Debug {
		t.Errorf("%d lines: %+v", n, told.all)
	}
}

// Clients that come again and again to a link on demand, whose server is away,
// do not fill the events with its idleness.
func TestJournalTellsIdlenessOnceInARow(t *testing.T) {
	told := &events{}
	j := &journal{tell: told.add}
	client := func() {
		j.link("work", link.Event{State: link.Connecting})
		j.link("work", link.Event{State: link.Waiting, Err: fault.New(fault.ConnectRefused, fault.Connect, "refused")})
		j.link("work", link.Event{State: link.Idle})
	}
	for range 1000 {
		client()
	}
	j.link("work", link.Event{State: link.Up})
	j.link("work", link.Event{State: link.Idle})
	client()
	var states []string
	for _, e := range told.all {
		states = append(states, e.State)
	}
	if got, want := strings.Join(states, " "), "connecting waiting idle up idle connecting waiting idle"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
	if n := told.all[3].Repeats; n != 999 {
		t.Errorf("%d repeats", n)
	}
}
