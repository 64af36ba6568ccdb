package daemon

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/forward"
	"tunneld/identity"
	"tunneld/link"
	"tunneld/profiles"
)

// Account is what the daemon's own account brings to a login.
type Account struct {
	Agent   string          // the socket or pipe that auth.agent = "auto" means; "" means none
	Secrets identity.Source // where stored passphrases and passwords are read

	Display      string // of the environment; "" means none
	XAuthority   string // the file with the displays' cookies; "" means none
	UsualDisplay string // the one to try where nobody names any; "" means none
}

// house is what the tunnels of one supervisor share.
type house struct {
	me      Account
	listen  forward.ListenFunc // or nil
	journal *journal
	ledger  *ledger
	gate    *gate
	seats   *seats
	cookies *cookies
	person  identity.Asker                                       // who sits at this process, or nil
	linkOf  func(ctx context.Context, profile string) *link.Link // the link of another profile, or nil
	isUp    func(profile string)                                 // hears that a profile's link is up; nil means nobody
}

// tunnel is one running profile: a link and its forwards. Only the
// supervisor's goroutine starts and stops; status reads from any.
type tunnel struct {
	name    string
	house   house
	journal *journal
	link    *link.Link
	ctx     context.Context // ends everything of the tunnel
	cancel  context.CancelFunc
	work    sync.WaitGroup
	over    chan struct{} // closed when everything is over
	stopped sync.Once
	desk    desk
	returns comebacks // hear's alone

	sessions sessions
	agents   agents
	windows  windows

	mu       sync.Mutex // guards what follows
	profile  profiles.Profile
	lent     bool // it runs without its forwards, for other profiles alone
	forwards map[string]*running
	memories map[profiles.Hop]*identity.Memory // what a person gave, by the server it was given for
}

func newTunnel(ctx context.Context, p profiles.Profile, h house) *tunnel {
	t := &tunnel{
		name: p.Name, house: h, journal: h.journal,
		over:     make(chan struct{}),
		profile:  p,
		forwards: map[string]*running{},
		memories: map[profiles.Hop]*identity.Memory{},
	}
	t.windows.tunnel = t
	t.link = link.New(t.linkTarget(p))
	t.link.Admit = h.gate.enter
	t.link.Events = t.hear
	t.ctx, t.cancel = context.WithCancel(ctx)
	return t
}

// hear takes what the link tells.
func (t *tunnel) hear(e link.Event) {
	if e.State != "" && e.State != link.Connecting {
		t.desk.leave()
	}
	t.journal.link(t.name, e)
	if code, back := t.returns.hear(e); back {
		t.house.ledger.reconnected(t.name, code)
	}
	if e.State == link.Up {
		t.againRemote()
		t.windows.prodApps()
		t.look("")
		if t.house.isUp != nil {
			t.house.isUp(t.name)
		}
	}
}

// asker is who answers the link's questions: the person at this process, else
// whoever comes to the desk.
func (t *tunnel) asker() identity.Asker {
	if t.house.person != nil {
		return t.house.person
	}
	return &t.desk
}

// start begins the link.
func (t *tunnel) start() {
	t.work.Add(1)
	go t.serveLink()
}

// serveLink keeps the link served: a panic outside an attempt is told, and the
// link begins anew.
func (t *tunnel) serveLink() {
	defer t.work.Done()
	for t.ctx.Err() == nil {
		err := guarded(t.ctx, t.link.Serve)
		t.afterPanic("", err)
	}
}

// afterPanic tells of a panic and gives it a second before the next try.
func (t *tunnel) afterPanic(forward string, err error) {
	var p *fault.Panic
	if !errors.As(err, &p) {
		return
	}
	t.journal.note(control.Event{Kind: "daemon", Level: control.Fault, Profile: t.name, Forward: forward, Message: "internal error", Detail: panicText(err)})
	select {
	case <-t.ctx.Done():
	case <-time.After(time.Second):
	}
}

func guarded(ctx context.Context, serve func(context.Context) error) (err error) {
	defer fault.Recover(&err)
	return serve(ctx)
}

// relink makes the link connect as p says; the forwards stay.
func (t *tunnel) relink(p profiles.Profile) {
	t.windows.endRemote() // while the old server is there
	t.take(p)
	t.forget()
	t.desk.leave() // an answer for the old server is none for the new one
	t.link.Retarget(t.linkTarget(p))
	t.desk.leave()
	t.windows.setRemote(p)
}

// update takes a new version of the profile that touches nothing that runs.
func (t *tunnel) update(p profiles.Profile) {
	retimed := !reflect.DeepEqual(t.current().Link, p.Link)
	t.take(p)
	if retimed {
		t.link.Retime(t.linkTarget(p))
	}
	t.windows.setRemote(p)
}

func (t *tunnel) take(p profiles.Profile) {
	t.mu.Lock()
	t.profile = p
	idle := idleTime(p, t.lent)
	t.mu.Unlock()
	t.link.OnDemand(idle)
	t.windows.setApps(p)
}

// current returns the profile as it is now.
func (t *tunnel) current() profiles.Profile {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.profile
}

// drain stops listening and waits for the open connections and commands, until
// ctx ends.
func (t *tunnel) drain(ctx context.Context) {
	t.windows.endApps() // else nobody would
	var drains sync.WaitGroup
	drains.Go(func() { t.sessions.drain(ctx) })
	drains.Go(t.windows.endRemote)
	for _, r := range t.running() {
		drains.Go(func() { _ = r.Drain(ctx) }) // at the end of ctx, stop cuts what is left
	}
	drains.Wait()
}

// stop ends the tunnel, once what it has at the server is taken back or stopTime
// over; the channel is closed when all of it is over.
func (t *tunnel) stop() <-chan struct{} {
	t.stopped.Do(func() {
		t.sessions.end(fmt.Errorf("%s was stopped", t.name))
		t.windows.endRemote()
		t.cancel()
		t.forget()
		go t.awaitWork()
		t.journal.forget(t.name, "")
	})
	return t.over
}

func (t *tunnel) awaitWork() {
	t.work.Wait()
	t.windows.end()
	close(t.over)
}
