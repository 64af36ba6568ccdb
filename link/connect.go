package link

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"

	"tunneld/fault"
	"tunneld/identity"
)

// errLeft ends a jump host's connection when what went through it is over.
var errLeft = errors.New("no longer needed")

// connect runs steps 1 to 3 of every server on the way, each reached through
// the one before it. Its errors are *fault.Error, unless ctx ended.
func (l *Link) connect(ctx context.Context, t Target) (top *conn, err error) {
	var below *conn
	defer func() {
		if top == nil { // also where a hop panicked
			below.end(errLeft)
		}
	}()
	hops := t.hops()
	for i, server := range hops {
		h := &hop{link: l, target: server, below: below, step: fault.Version, offer: server.Algorithms.resolve()}
		isJump := i < len(hops)-1
		if isJump {
			h.name = server.name()
		}
		c, err := h.reach(ctx)
		switch {
		case err == nil:
			below = c
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case isJump:
			return nil, jumpError(server, err)
		default:
			return nil, err
		}
		if isJump {
			c.start()
		}
	}
	return below, nil
}

// reach connects to one server, under its own deadline. It looks the server up
// before it asks to be admitted: a file that hangs holds no place of others.
func (h *hop) reach(ctx context.Context) (c *conn, err error) {
	l, t := h.link, h.target
	known, err := h.lookUp(ctx)
	if err != nil {
		return nil, err
	}
	h.leave = func() {}
	if l.Admit != nil {
		leave, err := l.Admit(ctx, t.address())
		if err != nil {
			return nil, err
		}
		h.leave = sync.OnceFunc(leave)
	}
	defer h.leave()
	ctx, h.deadline = withDeadline(ctx, t.connectTimeout())
	defer h.deadline.end()
	raw, err := h.transport(ctx)
	if err != nil {
		return nil, dialError(ctx, t, err)
	}
	h.tell(fault.Connect, "connected", raw.RemoteAddr().String())
	h.known, h.wire = known, newWire(raw, l.now)
	h.wire.opening = h.hear
	defer func() {
		if c == nil { // also after a panic
			h.wire.Close()
		}
	}()
	return h.shakeHands(ctx)
}

// lookedUp is the answer of known_hosts.
type lookedUp struct {
	known *identity.Known
	err   error
}

// lookUp asks known_hosts, for as long as a connection may take. Nothing ends a
// read from a network share that is gone: its goroutine stays until that is back.
func (h *hop) lookUp(ctx context.Context) (*identity.Known, error) {
	limit := h.target.connectTimeout()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answer := make(chan lookedUp, 1)
	go lookUp(h.target, answer)
	select {
	case a := <-answer:
		if a.err != nil {
			return nil, a.err
		}
		for _, bad := range a.known.Bad {
			h.tell(fault.HostKey, "known_hosts line skipped", bad.String())
		}
		return a.known, nil
	case <-ctx.Done():
		return nil, fault.New(fault.KnownHostsUnreadable, fault.HostKey, "%s cannot be read within %s", strings.Join(h.target.HostKeys.Files, ", "), limit)
	}
}

func lookUp(t Target, answer chan<- lookedUp) {
	var a lookedUp
	defer func() { answer <- a }()
	defer fault.Recover(&a.err)
	a.known, a.err = t.HostKeys.Lookup(t.Host, t.Port)
}

// transport opens the byte stream to the server: through the hop below, or out
// of this machine.
func (h *hop) transport(ctx context.Context) (net.Conn, error) {
	t, network := h.target, map[string]string{"inet": "tcp4", "inet6": "tcp6"}[h.target.AddressFamily]
	if network == "" {
		network = "tcp"
	}
	switch {
	case h.below != nil:
		return h.throughHop(ctx)
	case t.DialContext != nil:
		return t.DialContext(ctx, network, t.address())
	case t.Proxy != "":
		return h.throughProxy(ctx, network)
	default:
		return h.dialTCP(ctx, network, t.address())
	}
}

// throughHop opens a direct-tcpip channel from the hop below to this one.
func (h *hop) throughHop(ctx context.Context) (net.Conn, error) {
	s, err := h.below.dial(ctx, tcpDestination(h.target.Host, h.target.Port, nil))
	switch lost := h.below.lost(); {
	case err == nil:
		return throughHop{s, h.below}, nil
	case lost != nil:
		return nil, lost
	case ctx.Err() != nil:
		err = fault.New(fault.TargetTimeout, fault.Connect, "%s: no answer within %s", h.target.address(), h.target.connectTimeout())
	}
	return nil, jumpError(h.below.target, err)
}

// throughHop is a stream that a jump host carries for one connection alone.
type throughHop struct {
	net.Conn
	hop *conn
}

// Close ends the jump host's connection from its transport on: closing the
// stream alone could block in a connection that is stuck.
func (s throughHop) Close() error {
	if !s.hop.isDead() { // else it has a reason of its own
		s.hop.fail(errLeft)
	}
	return nil
}

// lost returns why the connection to a jump host ended by itself, or nil.
func (c *conn) lost() error {
	if c == nil || !c.isDead() {
		return nil
	}
	<-c.dead
	if errors.Is(c.why, errLeft) {
		return nil
	}
	return jumpError(c.target, c.why)
}

// jumpError says which hop failed, and with what code of its own. The first hop
// that is named stays.
func jumpError(hop Target, err error) error {
	f := fault.As(err)
	switch {
	case f == nil:
		return fault.New(fault.JumpFailed, fault.Connect, "%s: %w", hop.name(), err)
	case f.Code == fault.JumpFailed:
		return err
	}
	step := f.Step
	if step == fault.Forward || step == "" { // the stream through the hop, or the hop itself
		step = fault.Connect
	}
	return fault.New(fault.JumpFailed, step, "%s: %w", hop.name(), err).WithHint("%s", fault.HintOf(err))
}

// reaction is what the link does about err: for a hop that failed, what its own
// code asks for.
func reaction(err error) fault.Reaction {
	f := fault.As(err)
	for f != nil && f.Code == fault.JumpFailed && fault.As(f.Err) != nil {
		f = fault.As(f.Err)
	}
	if f == nil {
		return fault.Retry
	}
	return f.Code.Reaction()
}

// tell tells of a step; a jump host's detail names the hop.
func (h *hop) tell(step fault.Step, message, detail string) {
	h.link.stepAt(h.name, step, message, detail)
}

// tried hears of an attempt at authentication.
func (h *hop) tried(a identity.Attempt) {
	if a.Result != identity.Accepted {
		h.tell(fault.Auth, "authentication attempt", a.String()+": "+string(a.Result))
	}
}
