package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"tunneld/control"
)

// statusPause is how often systemd hears how the profiles are, at most.
const statusPause = time.Second

// serviceManager is systemd, where it started this process, and else nobody: it
// hears when the daemon is ready, reloads, lives and ends (sd_notify(3)).
type serviceManager struct {
	news chan struct{} // holds one: something happened
}

func newServiceManager() *serviceManager {
	return &serviceManager{news: make(chan struct{}, 1)}
}

// send tells the state. Where nobody listens, there is nothing to do about it.
func (m *serviceManager) send(state string) { _, _ = daemon.SdNotify(false, state) }

func (m *serviceManager) ready()    { m.send(daemon.SdNotifyReady) }
func (m *serviceManager) alive()    { m.send(daemon.SdNotifyWatchdog) }
func (m *serviceManager) stopping() { m.send(daemon.SdNotifyStopping) }

// reloading is followed by ready.
func (m *serviceManager) reloading() {
	m.send(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// pulse ticks a few times in what WatchdogSec allows; nil where systemd does
// not watch.
func (m *serviceManager) pulse() <-chan time.Time {
	limit, err := daemon.SdWatchdogEnabled(true)
	if err != nil || limit == 0 {
		return nil
	}
	return time.NewTicker(limit / 3).C // as long as the process lives
}

// hear never waits.
func (m *serviceManager) hear() {
	select {
	case m.news <- struct{}{}:
	default:
	}
}

// serveStatus tells how the profiles are whenever something has happened, until
// ctx ends.
func (m *serviceManager) serveStatus(ctx context.Context, status func() control.Status) {
	pause := time.NewTicker(statusPause)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.news:
		}
		m.send("STATUS=" + statusLine(status()))
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}

// statusLine is the status document in a line: how many profiles are up, of those
// that should be, and how the others are.
func statusLine(s control.Status) string {
	up, all := 0, 0
	var others []string
	for _, p := range s.Profiles {
		switch {
		case p.State == "disabled" || p.State == "idle" || p.StoppedBy != nil:
			continue
		case p.State == "up":
			up++
		case p.Error != nil:
			others = append(others, fmt.Sprintf("%s %s: %s", p.Name, p.State, p.Error.Code))
		default:
			others = append(others, p.Name+" "+p.State)
		}
		all++
	}
	line := fmt.Sprintf("%d of %s up", up, count(all, "profile"))
	if len(s.Problems) > 0 {
		line += ", " + count(len(s.Problems), "problem")
	}
	const most = 3
	if len(others) > most {
		others = append(others[:most], fmt.Sprintf("%d more", len(others)-most))
	}
	if len(others) > 0 {
		line += "; " + strings.Join(others, ", ")
	}
	return line
}
