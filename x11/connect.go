package x11

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"tunneld/fault"
)

// defaultLimit is how long a program may take for its first packet, and a
// display for its answer.
const defaultLimit = 10 * time.Second

var (
	errSlow = errors.New("no answer in time")          // ends a step at its limit
	errLeft = errors.New("the program left by itself") // no refusal
)

// connect brings program to where all that is left is to splice. Where that is
// refused, program was told. g is nil for a program that shows no grant's
// cookie.
func (f *Forwarder) connect(ctx context.Context, program net.Conn) (g *Grant, display net.Conn, err error) {
	defer fault.Recover(&err)
	s, err := f.receive(ctx, program)
	if err != nil {
		return nil, nil, f.turnAway(ctx, program, s, err)
	}
	g, err = f.grantOf(s)
	if err == nil {
		g, err = f.current(ctx, g)
	}
	if err != nil {
		return g, nil, f.turnAway(ctx, program, s, err)
	}
	display, first, err := f.open(ctx, g, s)
	if err != nil {
		return g, nil, f.turnAway(ctx, program, s, err)
	}
	if err := f.reply(ctx, program, first[:]); err != nil {
		display.Close()
		return g, nil, errLeft
	}
	return g, display, nil
}

// receive reads program's first packet.
func (f *Forwarder) receive(ctx context.Context, program net.Conn) (setup, error) {
	ctx, release := f.limited(ctx, program)
	defer release()
	s, err := readSetup(program)
	switch {
	case errors.Is(context.Cause(ctx), errSlow):
		return s, badCookie("no whole setup packet within %v", f.limit())
	case err == io.EOF:
		return s, errLeft
	case err != nil:
		return s, badCookie("%w", err)
	}
	return s, nil
}

// grantOf returns the grant whose cookie s shows. Every grant is compared, in a
// time that says nothing about any.
func (f *Forwarder) grantOf(s setup) (*Grant, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found *Grant
	for _, g := range f.grants {
		if g.Cookie.Equal(s.auth.Data) {
			found = g
		}
	}
	switch {
	case s.auth.Data.IsZero():
		return nil, badCookie("the program shows no cookie")
	case found == nil || s.auth.Name != magicCookie:
		return nil, badCookie("the program's cookie is of no session of ours")
	}
	return found, nil
}

// current returns the grant that a new window belongs to: g, unless that has
// another.
func (f *Forwarder) current(ctx context.Context, g *Grant) (*Grant, error) {
	if g.Current == nil {
		return g, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, f.limit(), errSlow)
	defer cancel()
	now, err := g.Current(ctx)
	if err != nil {
		return g, err
	}
	return now, nil
}

// open connects to g's display and shows it s.
func (f *Forwarder) open(ctx context.Context, g *Grant, s setup) (net.Conn, answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, f.limit(), errSlow)
	defer cancel()
	return g.connect(ctx, s, f.now())
}

// turnAway tells program why, as its display would, and returns that.
func (f *Forwarder) turnAway(ctx context.Context, program net.Conn, s setup, why error) error {
	_ = f.reply(ctx, program, s.refusal("tunneld: "+fault.Clean(why.Error()))) // a program that left need not know
	return why
}

// reply writes p to program.
func (f *Forwarder) reply(ctx context.Context, program net.Conn, p []byte) error {
	_, release := f.limited(ctx, program)
	defer release()
	_, err := program.Write(p)
	return err
}

// limited returns a context that ends with errSlow as its cause at the limit.
// Its end closes program, since channels have no deadlines.
func (f *Forwarder) limited(ctx context.Context, program net.Conn) (_ context.Context, release func()) {
	ctx, cancel := context.WithTimeoutCause(ctx, f.limit(), errSlow)
	stop := context.AfterFunc(ctx, func() { program.Close() })
	return ctx, func() { stop(); cancel() }
}

func (f *Forwarder) limit() time.Duration {
	if f.Limit > 0 {
		return f.Limit
	}
	return defaultLimit
}

func badCookie(format string, args ...any) *fault.Error {
	return fault.New(fault.X11BadCookie, fault.X11, format, args...)
}
