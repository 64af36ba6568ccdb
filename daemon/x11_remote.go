package daemon

import (
	"context"
	"net"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/forward"
	"tunneld/link"
	"tunneld/profiles"
	"tunneld/x11"
)

// The states of a display at the server.
//
//	           the port listens, xauth has its cookie
//	 waiting ──────────────────────────────────────────▶ ready
//	  ▲ │  ▲                 link lost                     │
//	  │ │  └───────────────────────────────────────────────┘
//	  │ ▼ one of both refused
//	retrying
const (
	remoteStopped  = "stopped"
	remoteWaiting  = "waiting" // for the link
	remoteRetrying = "retrying"
	remoteReady    = "ready"
)

// remoteHost is where the port listens: never wider than the server itself.
const remoteHost = "127.0.0.1"

// remoteDisplay is a display at the server that stays the same: a port there,
// and a cookie for it in the account's authority file, which both come back with
// each connection. So programs find it that outlive connections.
type remoteDisplay struct {
	windows   *windows
	spec      profiles.X11 // without programs
	cookie    x11.Cookie
	forwarder *x11.Forwarder
	ctx       context.Context
	cancel    context.CancelFunc
	before    <-chan struct{} // the one before this is over; nil where there was none
	over      chan struct{}
	soon      chan struct{} // holds one: try again at once
	now       func() time.Time
	after     func(time.Duration) <-chan time.Time

	choosing sync.Mutex  // guards shown, and lets one be made at a time
	shown    *showing    // what windows belong to; nil before the first
	stale    atomic.Bool // the next window finds its display anew

	mu        sync.Mutex // guards what follows
	state     string
	since     time.Time
	err       error
	installed bool // xauth was asked for it on this connection
}

// setRemote makes the display at the server be as p says.
func (w *windows) setRemote(p profiles.Profile) {
	spec := p.X11
	spec.Apps = nil
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.remote != nil && reflect.DeepEqual(w.remote.spec, spec) {
		w.remote.prod()
		return
	}
	if w.remote != nil {
		w.remote.cancel()
		w.remote = nil
	}
	if spec.RemoteDisplay > 0 && spec.Enabled && !w.closed && !w.tunnel.isLent() {
		w.remote = w.newRemote(p, spec)
		w.work.Go(w.remote.serve)
	}
}

func (w *windows) newRemote(p profiles.Profile, spec profiles.X11) *remoteDisplay {
	r := &remoteDisplay{
		windows: w, spec: spec, cookie: w.tunnel.house.cookies.of(serverName(p), spec.RemoteDisplay),
		before: w.remoteOver, over: make(chan struct{}), soon: make(chan struct{}, 1),
		now: time.Now, after: time.After, state: remoteWaiting, since: time.Now(),
	}
	w.remoteOver = r.over
	r.ctx, r.cancel = context.WithCancel(w.tunnel.ctx)
	r.forwarder = &x11.Forwarder{Listen: r.listen, Splice: forward.Splice, Refused: r.refused}
	r.forwarder.Allow(&x11.Grant{Cookie: r.cookie, Current: r.current, Refused: r.refused})
	return r
}

// endRemote takes the display at the server back, which it awaits for stopTime at
// most.
func (w *windows) endRemote() {
	w.mu.Lock()
	if w.remote != nil {
		w.remote.cancel()
		w.remote = nil
	}
	over := w.remoteOver
	w.mu.Unlock()
	awaitAll([]<-chan struct{}{over}, stopTime)
}

// remoteNow returns the display at the server, or nil.
func (w *windows) remoteNow() *remoteDisplay {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.remote
}

// serve keeps the display until it is cancelled.
func (r *remoteDisplay) serve() {
	defer close(r.over)
	if r.before != nil {
		<-r.before // what it takes back is not what this one puts there
	}
	for r.ctx.Err() == nil {
		r.windows.tunnel.afterPanic("", guarded(r.ctx, r.forwarder.Serve))
	}
	r.leave()
}

// listen returns the port at the server once programs there find it. It is the
// forwarder's Listen.
func (r *remoteDisplay) listen(ctx context.Context) (net.Listener, error) {
	for n := 0; ; n++ {
		if n == 0 || !r.isLinkUp() {
			r.move(remoteWaiting, nil)
		}
		l, err := r.open(ctx)
		switch {
		case err == nil:
			r.stale.Store(true) // the time for windows begins with the connection
			r.move(remoteReady, nil)
			return l, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		r.move(remoteRetrying, err)
		select {
		case <-ctx.Done():
		case <-r.soon:
		case <-r.after(r.pause(err, n)):
		}
	}
}

// open has the server listen, and then tells the programs there how to come in.
func (r *remoteDisplay) open(ctx context.Context) (net.Listener, error) {
	v := r.visit(ctx)
	if err := v.allowed(); err != nil {
		return nil, err
	}
	r.setInstalled(false)
	l, err := v.tunnel.link.Listen(ctx, remoteHost, x11Port+r.spec.RemoteDisplay)
	if fault.CodeOf(err) == fault.RemotePortBusy {
		err = fault.As(err).WithHint("%s; another x11.remote_display may be free", fault.HintOf(err))
	}
	if err != nil {
		return nil, err
	}
	r.setInstalled(true)
	if err := v.addCookie(r.spec.RemoteDisplay, r.cookie); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// pause is the wait after the nth failure in a row, from 0. A port that is taken
// may be free soon; what else a server refuses, it refuses for long.
func (r *remoteDisplay) pause(err error, n int) time.Duration {
	t := r.windows.tunnel
	if fault.CodeOf(err) == fault.RemotePortBusy {
		return t.retry(err, n)
	}
	return min(againMin<<min(n, 20), max(againMin, t.current().Link.RefusedRetry))
}

// leaveTime bounds how long the way out may wait for the server.
const leaveTime = 1500 * time.Millisecond

// leave takes back what is at the server, where that is connected, and what the
// display here holds.
func (r *remoteDisplay) leave() {
	if r.isInstalled() && r.windows.tunnel.ctx.Err() == nil && r.isLinkUp() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), leaveTime)
		defer cancel()
		if err := r.visit(ctx).removeCookie(r.spec.RemoteDisplay, r.cookie); err != nil {
			r.tell("remote display's cookie stays at the server", control.Warn, err)
		}
	}
	r.choosing.Lock()
	defer r.choosing.Unlock()
	if r.shown != nil {
		r.shown.end()
	}
}

// current returns what a window belongs to that begins now. It is the Current of
// the forwarder's grant.
func (r *remoteDisplay) current(ctx context.Context) (*x11.Grant, error) {
	r.choosing.Lock()
	defer r.choosing.Unlock()
	if r.ctx.Err() != nil {
		return nil, control.ErrStopping
	}
	if r.shown != nil && r.stale.Load() {
		r.shown.release(r.ctx)
		r.shown = nil
	}
	if r.shown == nil {
		r.stale.Store(false)
		s, err := r.windows.showRemote(ctx, r.spec)
		if err != nil {
			return nil, err
		}
		s.grant.Refused = r.refused
		r.shown = s
	}
	return r.shown.grant, nil
}

// showRemote makes a display ready for the programs that come by themselves.
func (w *windows) showRemote(ctx context.Context, spec profiles.X11) (*showing, error) {
	s, err := w.prepare(ctx, spec, control.X11Request{Trusted: spec.Trusted})
	w.observe(err)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shown = append(w.shown, s)
	return s, nil
}

func (r *remoteDisplay) refused(err error) { r.windows.refused("", err) }

// prod ends a wait.
func (r *remoteDisplay) prod() {
	select {
	case r.soon <- struct{}{}:
	default:
	}
}

// visit is a use of the tunnel that ends with ctx.
func (r *remoteDisplay) visit(ctx context.Context) visit {
	t := r.windows.tunnel
	p := t.current()
	return visit{ctx: ctx, tunnel: t, profile: p, hold: p.Link.ConnectTimeout, leave: func() {}}
}

func (r *remoteDisplay) isLinkUp() bool {
	return r.windows.tunnel.link.Status().State == link.Up
}

// name is what programs at the server call the display.
func remoteName(number int) string { return "localhost:" + strconv.Itoa(number) }
