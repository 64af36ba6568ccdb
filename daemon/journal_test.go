package daemon

import (
	"errors"
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
