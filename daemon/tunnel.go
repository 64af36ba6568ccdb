package daemon

import (
	"context"
	"errors"
	"sync"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/forward"
	"tunneld/link"
	"tunneld/profiles"
)

// tunnel is one running profile: a link and its forwards. Only the
// supervisor's goroutine starts and stops; status reads from any.
type tunnel struct {
	name    string
	agent   string
	journal *journal
	link    *link.Link
	ctx     context.Context // ends everything of the tunnel
	cancel  context.CancelFunc
	work    sync.WaitGroup
	over    chan struct{} // closed when everything is over
	stopped sync.Once

	mu       sync.Mutex // guards what follows
	profile  profiles.Profile
	forwards map[string]*running
}

// running is one forward of a tunnel.
type running struct {
	spec profiles.Forward
	*forward.Forward
	cancel context.CancelFunc
	over   chan struct{}
}

func newTunnel(ctx context.Context, p profiles.Profile, agent string, j *journal, g *gate) *tunnel {
	t := &tunnel{
		name: p.Name, agent: agent, journal: j,
		link:     link.New(linkTarget(p, agent)),
		over:     make(chan struct{}),
		profile:  p,
		forwards: map[string]*running{},
	}
	t.link.Admit = g.enter
	t.link.Events = func(e link.Event) { j.link(p.Name, e) }
	t.ctx, t.cancel = context.WithCancel(ctx)
	return t
}

func (t *tunnel) start() {
	t.work.Add(1)
	go t.serveLink()
	for _, f := range t.profile.Forwards {
		if f.Enabled {
			t.startForward(t.profile, f.Name)
		}
	}
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

// startForward starts the forward name as p has it.
func (t *tunnel) startForward(p profiles.Profile, name string) {
	for _, spec := range p.Forwards {
		if spec.Name != name {
			continue
		}
		ctx, cancel := context.WithCancel(t.ctx)
		r := &running{spec: spec, Forward: t.newForward(spec), cancel: cancel, over: make(chan struct{})}
		t.mu.Lock()
		t.profile = p
		t.forwards[name] = r
		t.mu.Unlock()
		t.work.Add(1)
		go t.serveForward(ctx, r)
	}
}

func (t *tunnel) serveForward(ctx context.Context, r *running) {
	defer t.work.Done()
	defer close(r.over)
	for ctx.Err() == nil {
		err := guarded(ctx, r.Serve)
		if err == nil {
			return // drained
		}
		t.afterPanic(r.spec.Name, err)
	}
}

// afterPanic tells of a panic and gives it a second before the next try.
func (t *tunnel) afterPanic(forward string, err error) {
	var p *fault.Panic
	if !errors.As(err, &p) {
		return
	}
	t.journal.note(control.Event{Kind: "daemon", Level: control.Fault, Profile: t.name, Forward: forward, Message: "internal error", Detail: p.Error() + "\n" + string(p.Stack)})
	select {
	case <-t.ctx.Done():
	case <-time.After(time.Second):
	}
}

func guarded(ctx context.Context, serve func(context.Context) error) (err error) {
	defer fault.Recover(&err)
	return serve(ctx)
}

// stopForward ends a forward and cuts its connections; the channel is closed
// when it is over.
func (t *tunnel) stopForward(name string) <-chan struct{} {
	t.mu.Lock()
	r := t.forwards[name]
	delete(t.forwards, name)
	t.mu.Unlock()
	r.cancel()
	t.journal.forget(t.name, name)
	return r.over
}

// relink makes the link connect as p says; the forwards stay.
func (t *tunnel) relink(p profiles.Profile) {
	t.update(p)
	t.link.Retarget(linkTarget(p, t.agent))
}

// update takes a new version of the profile that touches nothing that runs.
func (t *tunnel) update(p profiles.Profile) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.profile = p
}

// drain stops listening and waits for the open connections, until ctx ends.
func (t *tunnel) drain(ctx context.Context) {
	var drains sync.WaitGroup
	for _, r := range t.running() {
		drains.Go(func() { _ = r.Drain(ctx) }) // at the end of ctx, stop cuts what is left
	}
	drains.Wait()
}

// stop ends the tunnel at once; the channel is closed when all of it is over.
func (t *tunnel) stop() <-chan struct{} {
	t.stopped.Do(func() {
		t.cancel()
		go t.awaitWork()
		t.journal.forget(t.name, "")
	})
	return t.over
}

func (t *tunnel) awaitWork() {
	t.work.Wait()
	close(t.over)
}

func (t *tunnel) running() []*running {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*running, 0, len(t.forwards))
	for _, spec := range t.profile.Forwards {
		if r := t.forwards[spec.Name]; r != nil {
			all = append(all, r)
		}
	}
	return all
}
