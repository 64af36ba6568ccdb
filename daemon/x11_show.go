package daemon

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/forward"
	"tunneld/profiles"
	"tunneld/shell"
	"tunneld/x11"
)

// lingerTime is how long a session's display waits for a program that the
// session left behind, after its last window has closed.
const lingerTime = time.Second

// windows are those of the programs of one tunnel. Each session has a grant of
// its own; one forwarder serves them all, from the first on. Before that the
// link takes no X11 channels at all.
type windows struct {
	tunnel *tunnel
	work   sync.WaitGroup

	mu        sync.Mutex // guards what follows
	closed    bool       // nothing more begins
	forwarder *x11.Forwarder
	shown     []*showing // oldest first
	lastErr   error      // of the latest program that wanted the display
	lastAt    time.Time  // when that was; zero where none has
	apps      map[string]*app

	remote     *remoteDisplay  // nil where the profile has none
	remoteOver <-chan struct{} // the latest one is over; nil where there was none
}

// showing is what lets the programs of one session show windows.
type showing struct {
	windows  *windows
	seat     seat
	grant    *x11.Grant
	restrict *restriction // nil for trusted programs
	cancel   context.CancelFunc
}

// spawn runs work until the tunnel ends, which awaits it; false says that the
// tunnel is ending.
func (w *windows) spawn(work func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.work.Go(work)
	return true
}

// end waits until all is over; the tunnel's context has ended.
func (w *windows) end() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.work.Wait()
}

// show makes a display ready for a session. It proves first that the display
// takes programs, and that it restricts those that are not trusted. app names
// the program, or is empty.
func (w *windows) show(ctx context.Context, p profiles.Profile, r control.X11Request, app string) (*showing, error) {
	s, err := w.prepare(ctx, p.X11, r)
	if err == nil {
		s.grant.Refused = func(err error) { w.refused(app, err) }
		err = w.allow(s)
	}
	w.observe(err)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// find returns the display that a program gets.
func (w *windows) find(ctx context.Context, p profiles.X11, r control.X11Request) (seat, error) {
	if !p.Enabled {
		return seat{}, fault.New(fault.PermissionDenied, fault.X11, "the profile shows no windows").
			WithHint("set x11.enabled = true in PROFILE")
	}
	if r.Display == nil {
		return w.tunnel.house.seats.choose(p, nil)
	}
	brought, err := offered(ctx, *r.Display)
	if err != nil {
		return seat{}, err
	}
	return w.tunnel.house.seats.choose(p, &brought)
}

// prepare finds the display and what opens it.
func (w *windows) prepare(ctx context.Context, p profiles.X11, r control.X11Request) (*showing, error) {
	at, err := w.find(ctx, p, r)
	if err != nil {
		return nil, err
	}
	s := &showing{windows: w, seat: at, grant: &x11.Grant{Display: at.display, Auth: at.auth, Trusted: r.Trusted}, cancel: func() {}}
	if r.Trusted {
		return s, at.try(ctx)
	}
	if p.UntrustedTimeout > 0 {
		s.grant.Expires = time.Now().Add(p.UntrustedTimeout)
	}
	s.restrict = &restriction{seat: at, timeout: p.UntrustedTimeout}
	s.restrict.ctx, s.cancel = context.WithCancel(w.tunnel.ctx)
	s.grant.Auth = s.restrict.Auth
	if _, err := s.restrict.Auth(ctx); err != nil {
		s.cancel()
		return nil, err
	}
	return s, nil
}

// try finds out whether the display takes a program.
func (at seat) try(ctx context.Context) error {
	auth, err := at.auth(ctx)
	if err == nil {
		_, err = x11.Probe(ctx, at.display, auth)
	}
	return err
}

// allow lets the session's programs in.
func (w *windows) allow(s *showing) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		s.cancel()
		return control.ErrStopping
	}
	if w.forwarder == nil {
		channels, err := w.tunnel.link.X11Channels()
		if err != nil {
			s.cancel()
			return err
		}
		w.forwarder = &x11.Forwarder{Listen: w.listenFrom(channels), Splice: forward.Splice, Refused: func(err error) { w.refused("", err) }}
		w.work.Go(w.serve)
	}
	w.forwarder.Allow(s.grant)
	w.shown = append(w.shown, s)
	return nil
}

// listenFrom returns the first listener once, and then new ones.
func (w *windows) listenFrom(first net.Listener) func(context.Context) (net.Listener, error) {
	return func(context.Context) (net.Listener, error) {
		if l := first; l != nil {
			first = nil
			return l, nil
		}
		return w.tunnel.link.X11Channels()
	}
}

// serve keeps the forwarder served.
func (w *windows) serve() {
	for w.tunnel.ctx.Err() == nil {
		w.tunnel.afterPanic("", guarded(w.tunnel.ctx, w.forwarder.Serve))
	}
}

// observe remembers what became of the latest program that wanted the display.
func (w *windows) observe(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lastErr, w.lastAt = err, time.Now()
}

// refused tells of a window that was turned away.
func (w *windows) refused(app string, err error) {
	e := control.Event{Kind: "x11", Level: control.Warn, Profile: w.tunnel.name, App: app, Step: fault.X11, Message: "window refused"}
	w.tunnel.journal.report(e, err, false, false)
}

// request is what the server is asked for: nothing, where nothing shows.
func (s *showing) request() *shell.X11 {
	if s == nil {
		return nil
	}
	return &shell.X11{Cookie: s.grant.Cookie.Hex(), Screen: uint32(s.grant.Display.Screen)}
}

// awaitClosed waits until no window is open, or ctx ends.
func (s *showing) awaitClosed(ctx context.Context) {
	for s.grant.Windows() > 0 && ctx.Err() == nil {
		doze(ctx, lingerTime/2)
	}
}

// release gives the display up once the last window has closed and none
// followed: programs may outlive the session that they came with. Where ctx has
// ended, nobody wants them any more.
func (s *showing) release(ctx context.Context) {
	if ctx.Err() != nil || !s.windows.spawn(s.linger) {
		s.end()
	}
}

func (s *showing) linger() {
	ctx := s.windows.tunnel.ctx
	for again := true; again && ctx.Err() == nil; again = s.grant.Windows() > 0 {
		s.awaitClosed(ctx)
		doze(ctx, lingerTime)
	}
	s.end()
}

// end cuts what is open, and has the display forget the session.
func (s *showing) end() {
	w := s.windows
	w.mu.Lock()
	if w.forwarder != nil {
		w.forwarder.Withdraw(s.grant)
	}
	w.shown = slices.DeleteFunc(w.shown, func(other *showing) bool { return other == s })
	w.mu.Unlock()
	s.grant.Cut()
	s.cancel()
	if s.restrict != nil {
		s.restrict.work.Wait()
	}
}

// doze waits, or until ctx ends.
func doze(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
