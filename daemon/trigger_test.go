package daemon

import (
	"testing"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/trigger"
)

func TestMachineEvent(t *testing.T) {
	for _, test := range []struct {
		happened trigger.Event
		message  string
		code     fault.Code
		detail   string
	}{
		{trigger.Event{Woke: true}, "woke from sleep", "", ""},
		{trigger.Event{Woke: true, Slept: 90*time.Minute + 7*time.Millisecond}, "woke from sleep", "", "after 1h30m0s"},
		{trigger.Event{Woke: true, Slept: time.Minute, Came: []string{"192.0.2.7/24 eth0"}}, "woke from sleep", "", "after 1m0s +192.0.2.7/24 eth0"},
		{trigger.Event{Went: []string{"192.0.2.7/24 eth0"}}, "network changed", fault.NetworkChanged, "-192.0.2.7/24 eth0"},
	} {
		want := control.Event{Kind: "daemon", Level: control.Info, Message: test.message, Code: test.code, Detail: test.detail}
		if got := machineEvent(test.happened); got != want {
			t.Errorf("%+v: %+v, want %+v", test.happened, got, want)
		}
	}
}
