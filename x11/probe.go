package x11

import (
	"context"
	"net"

	"github.com/jezek/xgb/xproto"

	"tunneld/fault"
)

// Info is what a display says of itself.
type Info struct {
	Vendor  string
	Release uint32 // the vendor's own number
	Screens int

	Security bool // it has the SECURITY extension, and lets us see it
	Open     bool // it lets programs in with any cookie, so that nothing restricts them
}

// Probe connects to d with auth, opens no window, and looks. It takes 10 s at
// most. Errors have fault.X11DisplayRefused.
func Probe(ctx context.Context, d Display, auth Auth) (Info, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, defaultLimit, errSlow)
	defer cancel()
	c, err := dialClient(ctx, d, auth)
	if err != nil {
		return Info{}, err
	}
	defer c.close()
	info, err := c.look(ctx)
	if err != nil {
		return Info{}, err
	}
	info.Open, err = isOpen(ctx, d)
	return info, err
}

// ProbeOver is Probe on a connection that leads to d by some way, as a program
// on a server has one; it closes conn. Info.Open is not looked at.
func ProbeOver(ctx context.Context, conn net.Conn, d Display, auth Auth) (Info, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, defaultLimit, errSlow)
	defer cancel()
	c := &client{display: d, conn: conn}
	defer c.close()
	defer context.AfterFunc(ctx, c.close)() // streams of a link have no deadlines
	if err := c.greet(ctx, auth); err != nil {
		return Info{}, err
	}
	return c.look(ctx)
}

// look asks with xgb, which knows the greeting and the core protocol.
func (c *client) look(ctx context.Context) (Info, error) {
	release := bound(ctx, c.conn)
	defer release()
	greeting, err := readGreeting(c.greeting)
	if err != nil {
		return Info{}, displayError(c.display, "its greeting makes no sense")
	}
	x, err := newVetted(c).connect()
	if err != nil {
		return Info{}, c.explain(ctx, err)
	}
	defer x.end()
	security, err := xproto.QueryExtension(x.Conn, uint16(len(securityName)), securityName).Reply()
	if err != nil {
		return Info{}, c.explain(ctx, x.why(err))
	}
	return Info{
		Vendor: fault.Clean(greeting.Vendor), Release: greeting.ReleaseNumber, Screens: len(greeting.Roots),
		Security: security.Present,
	}, nil
}

// readGreeting parses a display's whole answer. One that lies makes xgb panic,
// here where that can be caught.
func readGreeting(data []byte) (g *xproto.SetupInfo, err error) {
	defer fault.Recover(&err)
	g = new(xproto.SetupInfo)
	xproto.SetupInfoRead(data, g)
	return g, nil
}
