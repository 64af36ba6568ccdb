package daemon

import (
	"context"

	"tunneld/forward"
	"tunneld/profiles"
)

// running is one forward of a tunnel.
type running struct {
	spec profiles.Forward
	*forward.Forward
	prober  *prober // or nil
	cancel  context.CancelFunc
	over    chan struct{}
	settled settling
}

// startForward starts the forward name as p has it.
func (t *tunnel) startForward(p profiles.Profile, name string) {
	for _, spec := range p.Forwards {
		if spec.Name != name {
			continue
		}
		ctx, cancel := context.WithCancel(t.ctx)
		r := &running{spec: spec, Forward: t.newForward(spec), cancel: cancel, over: make(chan struct{}), settled: newSettling()}
		told := r.Changed
		r.Changed = func(st forward.Status) { told(st); r.settle(st.State) }
		r.prober = t.newProber(spec, r.Forward)
		t.mu.Lock()
		t.profile = p
		t.forwards[name] = r
		t.mu.Unlock()
		t.house.ledger.begin(t.name, r)
		t.work.Add(1)
		go t.serveForward(ctx, r)
		if r.prober != nil {
			t.work.Add(1)
			go t.serveProber(ctx, r)
		}
	}
}

func (t *tunnel) serveForward(ctx context.Context, r *running) {
	defer t.work.Done()
	defer close(r.over)
	defer t.house.ledger.end(t.name, r)
	for ctx.Err() == nil {
		err := guarded(ctx, r.Serve)
		if err == nil {
			return // drained
		}
		t.afterPanic(r.spec.Name, err)
	}
}

// stopForward ends a forward and cuts its connections; the channel is closed
// when it is over.
func (t *tunnel) stopForward(name string) <-chan struct{} {
	t.mu.Lock()
	r := t.forwards[name]
	delete(t.forwards, name)
	t.mu.Unlock()
	if r == nil {
		return nil
	}
	r.cancel()
	t.journal.forget(t.name, name)
	return r.over
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

func (t *tunnel) isRunning(forward string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.forwards[forward] != nil
}

// again makes one forward listen at once, if it waits to try again.
func (t *tunnel) again(forward string) {
	for _, r := range t.running() {
		if r.spec.Name == forward {
			r.Again()
		}
	}
}

// againRemote makes the remote forwards try at once: a new link is news for
// them.
func (t *tunnel) againRemote() {
	for _, r := range t.running() {
		if r.spec.Kind == profiles.Remote {
			r.Again()
		}
	}
}

// hearForward takes what a forward tells.
func (t *tunnel) hearForward(name string, s forward.Status) {
	t.journal.forward(t.name, name, s)
	if s.State == forward.Listening {
		t.look(name)
	}
}
