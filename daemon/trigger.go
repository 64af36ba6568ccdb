package daemon

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/trigger"
)

// probeTime is how long a server may take for a sign of life after the machine
// woke or its network changed.
const probeTime = 5 * time.Second

// watchMachine probes the links when their connections may have died without a
// word, until ctx ends; over is closed then.
func (s *Supervisor) watchMachine(ctx context.Context) (over <-chan struct{}) {
	done := make(chan struct{})
	go s.serveTrigger(ctx, &trigger.Watcher{Happened: s.machineChanged, Trouble: s.tellUnseen, Woken: s.Woken}, done)
	return done
}

func (s *Supervisor) serveTrigger(ctx context.Context, w *trigger.Watcher, over chan<- struct{}) {
	defer close(over)
	_ = w.Serve(ctx) // its error is ctx's
}

// machineChanged is told, and has the links look after their connections. What
// only went away is no reason to doubt those that are left: they outlive a short
// interruption, and no probe would be answered.
func (s *Supervisor) machineChanged(e trigger.Event) {
	s.journal.note(machineEvent(e))
	for _, t := range s.all() {
		if e.Woke || len(e.Came) > 0 {
			t.link.Probe(probeTime)
		}
		t.link.Lose(e.Gone) // last: what begins now is not to begin anew
	}
}

func machineEvent(e trigger.Event) control.Event {
	out := control.Event{Kind: "daemon", Level: control.Info, Code: fault.NetworkChanged, Message: "network changed", Detail: e.String()}
	if e.Woke {
		out.Code, out.Message = "", "woke from sleep"
		if e.Slept > 0 {
			out.Detail = strings.TrimSpace(fmt.Sprintf("after %s %s", e.Slept.Round(time.Second), out.Detail))
		}
	}
	return out
}

func (s *Supervisor) tellUnseen(err error) {
	s.journal.note(control.Event{Kind: "daemon", Level: control.Warn, Message: "changes of the network go unseen", Detail: err.Error()})
}
