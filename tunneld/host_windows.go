package main

import (
	"context"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"sync"
	"time"

	"tunneld/control"
	"tunneld/daemon"
	"tunneld/install"
	"tunneld/internal/logfile"
)

// logBytes is the limit of each of the two files of the service's log.
const logBytes = 10 << 20

// runHosted runs the daemon of f as a service, where Windows' service manager
// started this process.
func (g *globals) runHosted(ctx context.Context, f folders) error {
	is, err := isService()
	if err != nil {
		return err
	}
	if !is {
		return g.runOnTerminal(ctx, f)
	}
	return newServiceHost().run(g, f)
}

// serviceHost is Windows' service manager as the daemon's host. Its log is a file,
// and what an administrator must know is in the Event Log, too.
type serviceHost struct {
	reload     chan os.Signal // holds one, as a process has its signals
	woken      chan struct{}  // holds one
	supervisor *daemon.Supervisor
}

func newServiceHost() *serviceHost {
	return &serviceHost{reload: make(chan os.Signal, 1), woken: make(chan struct{}, 1)}
}

func (w *serviceHost) run(g *globals, f folders) error {
	log := &logfile.File{
		Path:  filepath.Join(f.config, "logs", "tunneld.log"),
		Older: filepath.Join(f.config, "logs", "tunneld.1.log"),
		Limit: logBytes,
	}
	defer log.Close()
	events := newFieldLog(newWindowsEvents())
	defer events.close()
	loop := install.Loop{Reload: w.askReload, Woke: w.wake, LoggedOn: w.logOn}
	loop.Serve = func(ctx context.Context, ready func()) error {
		ready = sync.OnceFunc(ready)
		err := g.runDaemon(ctx, f, host{
			log: log, noted: events.write, reload: w.reload, woken: w.woken,
			begins: func(s *daemon.Supervisor) { w.begin(s, ready) },
		})
		if err != nil {
			events.write(control.Event{Time: time.Now(), Level: control.Fault, Kind: "daemon", Message: err.Error(), Hint: hintOf(err)})
		}
		return err
	}
	err := loop.Run()
	if errors.Is(err, install.ErrStuck) {
		events.write(control.Event{Time: time.Now(), Level: control.Fault, Kind: "daemon", Message: err.Error()})
	}
	return err
}

// begin tells the service manager that the service runs.
func (w *serviceHost) begin(s *daemon.Supervisor, ready func()) {
	if w.supervisor != nil {
		return
	}
	w.supervisor = s // ready lets nobody ask for it before
	s.Note(accountEvent())
	ready()
}

// accountEvent says what a service does not see.
func accountEvent() control.Event {
	name := "an unknown account"
	if me, err := user.Current(); err == nil {
		name = me.Username
	}
	return control.Event{
		Time: time.Now(), Level: control.Info, Kind: "daemon", Message: "runs as a service", Detail: "account " + name,
		Hint: "it sees no user's ssh-agent or Pageant, mapped drives, known_hosts or registry: keys belong into the folder keys, drives are written \\\\server\\share",
	}
}

// askReload does not wait: one that is asked for already is enough.
func (w *serviceHost) askReload() {
	select {
	case w.reload <- os.Interrupt:
	default:
	}
}

func (w *serviceHost) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// logOn notes that somebody is there, who may bring a display or an answer.
func (w *serviceHost) logOn() {
	w.supervisor.Note(control.Event{Time: time.Now(), Level: control.Debug, Kind: "daemon", Message: "a user logged on"})
}
