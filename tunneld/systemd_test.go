package main

import (
	"testing"

	"tunneld/control"
	"tunneld/fault"
)

func TestStatusLine(t *testing.T) {
	stopped := "user"
	profile := func(name, state string) control.Profile { return control.Profile{Name: name, State: state} }
	broken := profile("edge", "refused")
	broken.Error = &control.Error{Code: fault.HostKeyChanged}
	downed := profile("gone", "down")
	downed.StoppedBy = &stopped
	for want, s := range map[string]control.Status{
		"0 of 0 profiles up": {},
		"1 of 1 profile up":  {Profiles: []control.Profile{profile("work", "up"), profile("off", "disabled"), profile("rare", "idle"), downed}},
		"1 of 2 profiles up, 1 problem; edge refused: host_key_changed": {
			Profiles: []control.Profile{profile("work", "up"), broken}, Problems: make([]control.Problem, 1),
		},
		"0 of 5 profiles up; a1 waiting, a2 waiting, a3 connecting, 2 more": {Profiles: []control.Profile{
			profile("a1", "waiting"), profile("a2", "waiting"), profile("a3", "connecting"), profile("a4", "waiting"), profile("a5", "waiting"),
		}},
	} {
		if got := statusLine(s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
