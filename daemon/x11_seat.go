package daemon

import (
	"context"
	"encoding/hex"
	"net/netip"
	"runtime"
	"strconv"
	"sync"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/profiles"
	"tunneld/x11"
)

// Who named a display, in the order in which they are asked.
const (
	fromProfile     = "profile"
	fromCaller      = "caller"      // the command that asks for a program
	fromHanded      = "handed"      // tunneld display, in a desktop session
	fromEnvironment = "environment" // the daemon's own
	fromDefault     = "default"     // the system's usual one
)

// seat is a display to show windows on.
type seat struct {
	display x11.Display
	from    string
	// auth is what the display wants to see, found anew for each window.
	auth func(ctx context.Context) (x11.Auth, error)
}

// seats knows the displays that programs may have.
type seats struct {
	me Account

	mu     sync.Mutex // guards what follows
	handed *seat      // nil until somebody handed one over
}

// hand takes a display over, in place of the one before.
func (s *seats) hand(at seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at.from = fromHanded
	s.handed = &at
}

// choose returns the display for a program of a profile; brought is what the
// command that asks for it has, or nil.
func (s *seats) choose(p profiles.X11, brought *seat) (seat, error) {
	s.mu.Lock()
	handed := s.handed
	s.mu.Unlock()
	switch {
	case p.Display != "":
		return s.named(p.Display, p, fromProfile)
	case brought != nil:
		return *brought, nil
	case handed != nil:
		return *handed, nil
	case s.me.Display != "":
		return s.named(s.me.Display, p, fromEnvironment)
	case s.me.UsualDisplay != "":
		return s.named(s.me.UsualDisplay, p, fromDefault)
	}
	return seat{}, fault.New(fault.X11NoDisplay, fault.X11, "there is no display to show windows on")
}

// named is a display whose cookie is in the profile's authority file, else in
// the account's. Whose file opens it may serve it, too.
func (s *seats) named(name string, p profiles.X11, from string) (seat, error) {
	d, err := x11.ParseDisplay(name)
	if err != nil {
		return seat{}, err
	}
	file := s.me.XAuthority
	if p.XAuthority != "" {
		file = p.XAuthority
		d.Owner = ownerOf(file)
	}
	auth := func(ctx context.Context) (x11.Auth, error) {
		if file == "" {
			return x11.Auth{}, nil
		}
		return x11.LoadAuth(ctx, file, d)
	}
	return seat{d, from, auth}, nil
}

// The bounds of what somebody brings, in bytes.
const (
	offeredName   = 256
	offeredCookie = 256
)

// magicCookie is the protocol of the cookies that people bring.
const magicCookie = "MIT-MAGIC-COOKIE-1"

// offered judges a display that somebody brings, who may serve it. It has to be
// of this machine: a remote one would be shown what is behind the tunnels to
// whoever has a name for it.
func offered(ctx context.Context, o control.DisplayOffer) (seat, error) {
	if len(o.Display) > offeredName || len(o.Cookie) > hex.EncodedLen(offeredCookie) {
		return seat{}, fault.New(fault.X11NoDisplay, fault.X11, "the name or the cookie of the display is too long")
	}
	d, err := x11.ParseDisplay(o.Display)
	if err != nil {
		return seat{}, err
	}
	if !isHere(d) {
		return seat{}, fault.New(fault.X11NoDisplay, fault.X11, "display %v is not of this machine", d).
			WithHint("give one such as :0, or name it in the profile as x11.display")
	}
	var auth x11.Auth
	if o.Cookie != "" {
		cookie, err := x11.ParseCookie(o.Cookie)
		if err != nil {
			return seat{}, fault.New(fault.X11NoDisplay, fault.X11, "%w", err)
		}
		auth = x11.Auth{Name: magicCookie, Data: cookie}
	}
	if peer, ok := control.PeerOf(ctx); ok {
		d.Owner, _ = strconv.Atoi(peer.User) // a SID is no owner of sockets
	}
	return seat{d, fromCaller, func(context.Context) (x11.Auth, error) { return auth, nil }}, nil
}

// isHere says whether a display is reached without leaving this machine. A path
// is launchd's: elsewhere it could be any socket.
func isHere(d x11.Display) bool {
	if d.Socket != "" {
		return runtime.GOOS == "darwin"
	}
	ip, err := netip.ParseAddr(d.Host)
	return d.Host == "" || d.Host == "localhost" || err == nil && ip.IsLoopback()
}
