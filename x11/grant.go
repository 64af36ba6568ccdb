package x11

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// Grant lets the programs of one session show windows. Its fields must not
// change once it was allowed, and a Grant must not be copied.
type Grant struct {
	// Cookie is what the session's programs show, and worth nothing anywhere
	// else. The zero Cookie is replaced by a fresh one when it is allowed.
	Cookie Cookie

	// Display is where the windows go.
	Display Display

	// Auth returns what the display itself wants to see, asked anew for each
	// window, after the display was reached. nil shows it nothing.
	Auth func(ctx context.Context) (Auth, error)

	// Current, if not nil, returns for each new window the grant that it belongs
	// to, whose Display, Auth, Trusted, Expires and Refused count in place of these.
	// So one cookie serves for longer than a display.
	Current func(ctx context.Context) (*Grant, error)

	// Trusted programs may do what programs of this machine may: read other
	// windows, the keyboard, the clipboard. For others Auth has to return an
	// authorization that restricts them; that of an [Authorization] does.
	Trusted bool

	// Expires is when new windows are refused (fault.X11Expired) while open
	// ones stay. The zero Time is never.
	Expires time.Time

	// Refused is called with the reason whenever a window of this session was
	// refused, with a fault code. Calls come at the same time. nil: nobody is
	// told.
	Refused func(error)

	open atomic.Int64

	begin sync.Once
	life  context.Context // of the windows
	end   context.CancelFunc
}

// Request is the payload of an x11-req that has the server show the grant's
// cookie to programs (RFC 4254 section 6.3.1). The grant was allowed before.
func (g *Grant) Request() []byte {
	return ssh.Marshal(struct {
		Single   bool
		Protocol string
		Cookie   string
		Screen   uint32
	}{Protocol: magicCookie, Cookie: g.Cookie.Hex(), Screen: uint32(g.Display.Screen)})
}

// Windows returns how many connections to the display are open. It is safe to
// call at any time.
func (g *Grant) Windows() int { return int(g.open.Load()) }

// Cut ends the windows that are open, and every new one soon after it has begun:
// withdraw the grant first. It is safe to call at any time.
func (g *Grant) Cut() {
	g.live()
	g.end()
}

// live returns the context that Cut ends.
func (g *Grant) live() context.Context {
	g.begin.Do(func() { g.life, g.end = context.WithCancel(context.Background()) })
	return g.life
}

// within returns ctx, ended by Cut too.
func (g *Grant) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(g.live(), cancel)
	return ctx, func() { stop(); cancel() }
}

// connect reaches the display for the client whose packet is s, and returns
// the display's answer to it. ctx bounds it all.
func (g *Grant) connect(ctx context.Context, s setup, now time.Time) (net.Conn, answer, error) {
	if !g.Expires.IsZero() && !now.Before(g.Expires) {
		return nil, answer{}, fault.New(fault.X11Expired, fault.X11, "the time for new windows ended at %s", g.Expires.Format(time.TimeOnly))
	}
	// The display first: an authorization that is good after that was made by
	// the server that answers, and not by one that is gone.
	conn, err := g.Display.Dial(ctx)
	if err != nil {
		return nil, answer{}, err
	}
	a, err := g.present(ctx, conn, s)
	if err != nil {
		conn.Close()
		return nil, answer{}, err
	}
	return conn, a, nil
}

// present shows the display the packet with the real authorization. A panic of
// the owner's Auth is an error here, where there is a connection to close.
func (g *Grant) present(ctx context.Context, conn net.Conn, s setup) (a answer, err error) {
	defer fault.Recover(&err)
	auth, err := g.auth(ctx)
	if err != nil {
		return answer{}, err
	}
	return ask(ctx, g.Display, conn, s, auth)
}

func (g *Grant) auth(ctx context.Context) (Auth, error) {
	var auth Auth
	var err error
	if g.Auth != nil {
		auth, err = g.Auth(ctx)
	}
	if err == nil && !g.Trusted && auth.Data.IsZero() {
		err = fault.New(fault.X11SecurityOpen, fault.X11, "display %v: no authorization restricts the program", g.Display)
	}
	if err != nil && fault.CodeOf(err) == "" {
		err = displayError(g.Display, "%w", err)
	}
	return auth, err
}
