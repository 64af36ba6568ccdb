// Package daemon runs the profiles of a configuration folder, each in its own
// life.
//
// A [Supervisor] owns the running set: its Serve loads the profiles, starts a
// link and the forwards of each, and applies the smallest change when a file is
// saved or Reload is called. What happens is told as [control.Event]; what is
// observed is kept for [control.Status].
//
// Only this package maps a profile to what the leaves need; protocol and
// operating-system code is theirs.
package daemon

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/forward"
	"tunneld/identity"
	"tunneld/profiles"
)

// drainTime is how long open connections may go on when the daemon stops.
const drainTime = 5 * time.Second

// stopTime bounds how long a reload waits for what it stops, so that its
// addresses are free for what it starts.
const stopTime = 2 * time.Second

// Supervisor runs every profile. Its exported fields are set before Serve.
type Supervisor struct {
	Version string // the program's, for the status document
	Loader  *profiles.Loader
	Account Account
	// Person, if not nil, answers what links ask, in this very process; nil
	// means that questions wait for Answer.
	Person identity.Asker
	// Noted, if not nil, hears what happens, one at a time. It must not call
	// the supervisor.
	Noted func(control.Event)
	// Loaded, if not nil, is called after every load with what daemon.toml says. Status
	// has the profiles by then, and nothing of them was begun.
	Loaded func(profiles.Daemon)
	// Ready, if not nil, is called once, when each socket of this machine that the
	// first load asked for listens or cannot, after 10 s at the latest.
	Ready func()
	// Pulse, if not nil, is answered with Alive by Serve's own goroutine, so that
	// one that is stuck can be told from outside.
	Pulse <-chan time.Time
	Alive func()
	// Woken, if not nil, tells that the machine woke from sleep, where a service
	// manager hears of it.
	Woken <-chan struct{}
	// Listen, if not nil, opens the listening sockets of forwards and metrics on
	// this machine.
	Listen forward.ListenFunc

	jobs    chan job
	edits   chan struct{} // holds one: the folder may have changed
	over    chan struct{} // closed when Serve returns
	started sync.Once
	begun   sync.Once // the first load
	journal journal
	history *history
	gate    gate // of the links
	traces  gate // of the traces, which must not hold up a link
	ledger  *ledger
	seats   *seats
	cookies *cookies
	metrics http.Handler
	wishes  wishes
	since   time.Time

	// What follows is Serve's goroutine's alone.
	watching *watching       // nil while nobody watches the folder
	scraped  *scraped        // nil while metrics has no address
	told     []control.Event // what is wrong with the files, as it was told
	lately   edit            // what the watch took
	trial    *trial          // nil unless the changes are on trial

	mu       sync.Mutex // guards what follows
	set      profiles.Set
	problems []profiles.Problem
	tunnels  map[string]*tunnel
	served   bool // Serve was called
}

// job is work for the owner's goroutine.
type job struct {
	work func(running context.Context) error
	done chan error // holds one
}

func (s *Supervisor) init() {
	s.started.Do(func() {
		s.jobs = make(chan job)
		s.edits = make(chan struct{}, 1)
		s.over = make(chan struct{})
		s.tunnels = map[string]*tunnel{}
		s.journal.tell = s.hear
		s.history = newHistory(s.stateFolder(), s.journal.note)
		s.since = time.Now()
		s.ledger, s.metrics = newLedger(), s.newMetrics()
		s.seats = &seats{me: s.Account}
		s.cookies = &cookies{dir: s.stateFolder(), journal: &s.journal, check: s.Loader.CheckAccess}
		s.Loader.Running = s.isRunning
	})
}

// Serve runs the profiles until ctx ends. Then it stops listening at once, lets
// open connections finish for up to 5 s, and returns when everything is over.
// Its goroutine is the only one that starts and stops tunnels.
func (s *Supervisor) Serve(ctx context.Context) error {
	s.init()
	defer close(s.over)
	// What runs outlives ctx: it is drained first.
	running, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	endHistory := s.startHistory()
	machine := s.watchMachine(ctx)
	s.setServed()
	s.load(running)
	ready := s.startReady(ctx)
	for {
		select {
		case <-s.Pulse:
			s.Alive()
		case j := <-s.jobs:
			j.done <- j.work(running)
		case <-s.edits:
			s.takeEdit(running)
		case <-s.trial.over():
			s.undo(running)
		case <-ctx.Done():
			s.unwatch()
			s.setMetrics(profiles.Address{})
			s.endTrial()
			s.stopAll()
			<-machine
			<-ready
			s.journal.note(control.Event{Kind: "daemon", Level: control.Info, Message: "stopped"})
			endHistory()
			return ctx.Err()
		}
	}
}

// Reload reads the profiles again and applies what changed; opts say whether
// that may be undone. It waits a moment for the sockets that it opened.
func (s *Supervisor) Reload(ctx context.Context, opts control.ReloadOptions) (out control.ReloadResult, err error) {
	var sockets []settling
	err = s.ask(ctx, func(running context.Context) error {
		out = s.reload(running, opts)
		sockets = s.sockets()
		return nil
	})
	awaitSockets(ctx, sockets, appliedTime)
	return out, err
}

// ask has the owner's goroutine run work, with the context of what runs, and
// waits for it.
func (s *Supervisor) ask(ctx context.Context, work func(running context.Context) error) error {
	s.init()
	j := job{work: work, done: make(chan error, 1)}
	select {
	case s.jobs <- j:
	case <-s.over:
		return control.ErrStopping
	case <-ctx.Done():
		return ctx.Err()
	}
	// It is under way, and short: whoever leaves now would race with its result.
	return <-j.done
}

// load reads the folder and applies the difference to what runs.
func (s *Supervisor) load(ctx context.Context) control.ReloadResult {
	set, problems, err := s.read()
	if err != nil { // what runs goes on; the next reload may do better
		s.ledger.loaded(false)
		s.journal.note(control.Event{Kind: "daemon", Level: control.Fault, Message: "internal error", Detail: panicText(err)})
		return reloadResult(nil, problems)
	}
	d, _ := set.Daemon()
	s.mu.Lock()
	before := s.set
	changes := profiles.Diff(before, set)
	s.set, s.problems = set, problems
	s.mu.Unlock()
	if s.Loaded != nil {
		s.Loaded(d)
	}
	s.begun.Do(s.tellStart)
	s.saveTrial()
	s.ledger.keep(set)
	s.ledger.loaded(!hasFault(problems))
	s.tellMended(before, set)
	s.tellProblems(set, problems)
	s.apply(ctx, set, changes)
	s.setWatch(d.Watch)
	s.setMetrics(d.Metrics)
	return reloadResult(changes, problems)
}

func (s *Supervisor) tellStart() {
	s.journal.note(control.Event{Kind: "daemon", Level: control.Info, Message: "started", Detail: s.Loader.Dir})
}

// current returns the profiles that are in force.
func (s *Supervisor) current() profiles.Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set
}

// read reads the folder; a panic in a parser is an error.
func (s *Supervisor) read() (set profiles.Set, problems []profiles.Problem, err error) {
	defer fault.Recover(&err)
	set, problems = s.Loader.Load()
	return set, problems, nil
}

// apply makes the changes, which come in the order stops, then starts. Between
// the two it waits, bounded, for the stopped to free their addresses. What a
// person stopped stays so. A start is told before what it causes, all else when
// it is done.
func (s *Supervisor) apply(ctx context.Context, set profiles.Set, changes []profiles.Change) {
	var stopped []<-chan struct{}
	for _, c := range changes {
		isStart := c.Verb == profiles.Start || c.Verb == profiles.StartForward
		if isStart {
			awaitAll(stopped, stopTime)
			stopped = nil
			s.journal.note(wireChange(c).Event())
		}
		p, _ := set.Profile(c.Profile)
		if over := s.change(ctx, p, c); over != nil {
			stopped = append(stopped, over)
		}
		if !isStart {
			s.journal.note(wireChange(c).Event())
		}
	}
	awaitAll(stopped, stopTime)
}

// change makes one change. It returns the end of what stops, to be waited for.
func (s *Supervisor) change(ctx context.Context, p profiles.Profile, c profiles.Change) (over <-chan struct{}) {
	t := s.tunnel(c.Profile)
	switch {
	case c.Verb == profiles.Start:
		if !s.wishes.isDown(c.Profile, "") && !s.wishes.waits(p) {
			s.start(ctx, p)
		}
	case c.Verb == profiles.Stop:
		s.wishes.forget(c.Profile)
		return s.stop(c.Profile)
	case c.Verb == profiles.Update:
		s.update(ctx, p)
	case t == nil: // it waits for a person: the next up takes the new version
	case c.Verb == profiles.StopForward:
		return t.stopForward(c.Forward)
	case c.Verb == profiles.Relink:
		t.relink(p)
	case c.Verb == profiles.StartForward && (t.isLent() || s.wishes.isDown(c.Profile, c.Forward)):
		t.update(p)
	case c.Verb == profiles.StartForward && !t.isRunning(c.Forward): // else it came with its profile
		t.startForward(p, c.Forward)
	}
	return nil
}

func (s *Supervisor) tunnel(name string) *tunnel {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tunnels[name]
}

func (s *Supervisor) isRunning(name string) bool { return s.tunnel(name) != nil }

// house is what a new tunnel shares with the others.
func (s *Supervisor) house() house {
	return house{me: s.account(), listen: s.Listen, journal: &s.journal, ledger: s.ledger, gate: &s.gate, seats: s.seats, cookies: s.cookies, person: s.Person, linkOf: s.lend, isUp: s.wakeDependants}
}

// wakeDependants makes the links try at once whose way goes through a profile
// that has come up.
func (s *Supervisor) wakeDependants(profile string) {
	for _, t := range s.all() {
		if hop, _ := t.current().Server.Way(); hop == profile {
			t.link.Wake()
		}
	}
}

// account is the daemon's account, whose programs get environ.
func (s *Supervisor) account() Account {
	me := s.Account
	me.Secrets.Environ = s.environ
	return me
}

// environ is the account's environment without the variables that hold any
// profile's secret now: the programs that a profile runs do not get them.
func (s *Supervisor) environ() []string {
	if s.Account.Secrets.Environ == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var secrets []identity.Secret
	for p := range s.set.All() {
		secrets = append(secrets, identity.Secret(p.Auth.Passphrase), identity.Secret(p.Auth.Password))
		for _, a := range p.Auth.Answers {
			secrets = append(secrets, identity.Secret(a.Value))
		}
	}
	return identity.CommandEnviron(s.Account.Secrets.Environ(), secrets...)
}

// stop ends a tunnel at once; the channel is closed when it is over.
func (s *Supervisor) stop(name string) <-chan struct{} {
	s.mu.Lock()
	t := s.tunnels[name]
	delete(s.tunnels, name)
	s.mu.Unlock()
	if t == nil {
		return nil
	}
	return t.stop()
}

// stopAll drains and ends every tunnel.
func (s *Supervisor) stopAll() {
	all := s.all()
	draining, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	var drains sync.WaitGroup
	for _, t := range all {
		drains.Go(func() { t.drain(draining) })
	}
	drains.Wait()
	stopped := make([]<-chan struct{}, len(all))
	for i, t := range all {
		stopped[i] = t.stop()
	}
	awaitAll(stopped, stopTime) // a file on a dead network share must not hold up the end
}

// all returns the tunnels in the order of their names.
func (s *Supervisor) all() []*tunnel {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*tunnel, 0, len(s.tunnels))
	for _, name := range slices.Sorted(maps.Keys(s.tunnels)) {
		all = append(all, s.tunnels[name])
	}
	return all
}

// awaitAll waits until every channel is closed, for at most limit.
func awaitAll(channels []<-chan struct{}, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for _, c := range channels {
		if c == nil { // it did not run
			continue
		}
		select {
		case <-c:
		case <-timer.C:
			return
		}
	}
}
