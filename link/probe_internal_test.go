package link

import (
	"context"
	"errors"
	"testing"
)

// A probe wakes whoever waits, begins anew what has reached nobody, and leaves
// the rest alone: a storm of changes must not annoy a server that refused.
func TestProbeByState(t *testing.T) {
	for _, test := range []struct {
		state    State
		dialling bool
		wakes    bool
		begins   bool
	}{
		{state: Down}, {state: Refused}, {state: Blocked}, {state: Up},
		{state: Waiting, wakes: true},
		{state: Connecting},
		{state: Connecting, dialling: true, begins: true},
	} {
		l := New(Target{})
		ctx, end := context.WithCancelCause(t.Context())
		l.status.State, l.dialling, l.interrupt = test.state, test.dialling, end
		for range 100 {
			l.Probe(0)
		}
		if wakes := len(l.wake) == 1; wakes != test.wakes {
			t.Errorf("%+v: wakes %v", test, wakes)
		}
		if begins := errors.Is(context.Cause(ctx), errStale); begins != test.begins {
			t.Errorf("%+v: begins anew %v", test, begins)
		}
		end(nil)
	}
}
