package daemon

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/forward"
	"tunneld/link"
	"tunneld/profiles"
)

// lookTime bounds how long a probe waits for the server to connect.
const lookTime = 10 * time.Second

// errNotNow is the answer of a look where nothing can be looked at.
var errNotNow = errors.New("the link is down")

// prober looks at one forward at every interval. It keeps the last answer.
type prober struct {
	every time.Duration
	look  func(ctx context.Context) error // errNotNow counts as no look at all
	tell  func(err error)                 // hears of each failure, and with nil that it works again
	after func(time.Duration) <-chan time.Time
	soon  chan struct{} // holds one: look now

	mu   sync.Mutex // guards what follows
	last answer
}

// answer is what one look found.
type answer struct {
	at   time.Time // zero before the first look
	took time.Duration
	err  error
}

// prod makes the prober look at once. A nil one looks at nothing.
func (p *prober) prod() {
	if p == nil {
		return
	}
	select {
	case p.soon <- struct{}{}:
	default:
	}
}

// Serve looks until ctx ends.
func (p *prober) Serve(ctx context.Context) error {
	for ctx.Err() == nil {
		p.once(ctx)
		select {
		case <-ctx.Done():
		case <-p.soon:
		case <-p.after(p.every):
		}
	}
	return ctx.Err()
}

func (p *prober) once(ctx context.Context) {
	start := time.Now()
	err := p.look(ctx)
	if ctx.Err() != nil || errors.Is(err, errNotNow) {
		return
	}
	p.mu.Lock()
	before := p.last.err
	p.last = answer{start, time.Since(start), err}
	p.mu.Unlock()
	if err != nil || before != nil {
		p.tell(err)
	}
}

// status is the last answer on the wire, or nil. So it is for a nil prober.
func (p *prober) status(profile string) *control.Probe {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last.at.IsZero() {
		return nil
	}
	return &control.Probe{
		At: p.last.at, OK: p.last.err == nil, Milliseconds: float64(p.last.took.Microseconds()) / 1000,
		Error: wireError(profile, p.last.err, p.last.at),
	}
}

// newProber returns the prober of a forward, or nil where it wants none.
func (t *tunnel) newProber(spec profiles.Forward, f *forward.Forward) *prober {
	if spec.Probe <= 0 {
		return nil
	}
	p := &prober{every: spec.Probe, after: time.After, soon: make(chan struct{}, 1)}
	p.tell = func(err error) { t.journal.probe(t.name, spec.Name, err) }
	if spec.Kind == profiles.Remote {
		p.look = func(ctx context.Context) error { return t.lookBack(ctx, f) }
	} else {
		target := link.Trial{Host: spec.Target.Host, Port: spec.Target.Port, Path: spec.Target.Path}
		p.look = func(ctx context.Context) error { return t.lookThere(ctx, target) }
	}
	return p
}

// look has a forward probed at once, or with "" all of them.
func (t *tunnel) look(forward string) {
	for _, r := range t.running() {
		if forward == "" || r.spec.Name == forward {
			r.prober.prod()
		}
	}
}

func (t *tunnel) serveProber(ctx context.Context, r *running) {
	defer t.work.Done()
	for ctx.Err() == nil {
		t.afterPanic(r.spec.Name, guarded(ctx, r.prober.Serve))
	}
}

// lookThere connects to the target of a local forward, by way of a link that is up.
func (t *tunnel) lookThere(ctx context.Context, target link.Trial) error {
	conn, err := t.try(ctx, target)
	switch {
	case err == nil:
		_ = conn.Close() // it has shown what there was to see
		return nil
	case errors.Is(err, errNotNow):
		return err
	}
	return fault.New(fault.ProbeFailed, fault.Forward, "%w", err).WithHint("%s", fault.HintOf(err))
}

// lookBack connects to where the server listens for a remote forward, and
// wants to see that arrive.
func (t *tunnel) lookBack(ctx context.Context, f *forward.Forward) error {
	before := f.Status()
	if before.State != forward.Listening {
		return errNotNow
	}
	there := listenerAt(before.Bound[0])
	err := f.Probe(ctx, func(ctx context.Context) (net.Conn, error) { return t.try(ctx, there) })
	after := f.Status()
	switch code := fault.CodeOf(err); {
	case err == nil:
		return nil
	case errors.Is(err, errNotNow), after.State != forward.Listening, !after.Since.Equal(before.Since):
		return errNotNow
	case code == fault.ProbeFailed:
		return err
	case code == fault.TargetDenied:
		return fault.New(fault.ProbeFailed, fault.Forward, "the server does not allow connections to its own %s, which the probe needs: %w", before.Bound[0], err).
			WithHint("the forward itself may work; allow the probe with AllowTcpForwarding yes and PermitOpen in the server's sshd_config, or take probe out")
	default:
		return fault.New(fault.ProbeFailed, fault.Forward, "%w", err).
			WithHint("the server cannot reach its own end of the forward: check listen, and what else has that address there")
	}
}

// try opens a stream on a link that is up.
func (t *tunnel) try(ctx context.Context, to link.Trial) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	conn, err := t.link.Try(ctx, to)
	switch {
	case errors.Is(err, link.ErrDown):
		return nil, errNotNow
	case ctx.Err() == context.DeadlineExceeded:
		return nil, fault.New(fault.TargetTimeout, fault.Forward, "no answer within %s", lookTime)
	}
	return conn, err
}

// listenerAt is where a listener of the server's is reached on the server.
func listenerAt(bound net.Addr) link.Trial {
	if bound.Network() == "unix" {
		return link.Trial{Path: bound.String()}
	}
	host, service, _ := net.SplitHostPort(bound.String()) // the link made it
	port, _ := strconv.Atoi(service)
	switch host {
	case "", "*", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return link.Trial{Host: host, Port: port}
}
