// Package link keeps one authenticated SSH connection up and hands out the
// live one.
//
// A [Link] dials its [Target] (steps 1 to 3 of the connection: transport and
// host key, encryption, authentication), watches the connection with
// keepalives, and when it is lost dials again, for ever and politely. Serve is
// that life; what it goes through is told as [Event] and kept as [Status]. With
// OnDemand it is connected only while somebody uses it. The
// way there may lead through jump hosts and a proxy: each hop goes through the
// same three steps, and all belong to the one connection. Trace goes it once.
//
// Dial and Listen, and DialUnix and ListenUnix for sockets, are what forwards
// need, with one contract: they wait until the link is up. A listener fails when its connection dies, and whoever
// listens then listens again. So reconnecting is nobody's feature: it falls out
// of waiting. Session waits in the same way; X11Channels and AgentChannels
// listen on every connection that comes.
package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"tunneld/fault"
	"tunneld/identity"
)

// Target is everything that one connection needs to know.
type Target struct {
	Host string
	Port int
	User string

	Jumps         []Target        // jump hosts, the first hop first; what is said of the first dial and of the life of the connection does not count of them
	Proxy         string          // of the first dial: "", socks5://[user:pw@]host:port, http://[user:pw@]host:port, or command:ARGV with %h, %p and %%
	Environ       func() []string // of the proxy's command that starts now; nil means nothing
	BindAddress   string          // of the first dial; "" lets the system choose
	AddressFamily string          // of the first dial: "inet" or "inet6"; anything else means both
	// DialContext makes the first dial in their place; nil means that they count.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	HostKeys       identity.HostKeys
	UpdateHostKeys bool // learn the keys that the server rotates to
	Credentials    identity.Credentials
	Algorithms     Algorithms

	ConnectTimeout  time.Duration // steps 1 to 3 together, without the time that a person is asked; 0 means 15 s
	Keepalive       time.Duration // 0 means 15 s
	KeepaliveMisses int           // unanswered keepalives after which the connection is lost is this plus the first
	Backoff         Backoff       // between attempts
	RefusedRetry    time.Duration // between attempts that would be harmful at once; 0 means 10 min
}

// address is the server's host:port.
func (t Target) address() string { return net.JoinHostPort(t.Host, strconv.Itoa(t.Port)) }

// hops are the servers on the way and, at its end, t itself. Of a jump host
// counts what says who it is and who we are; the way out of this machine and
// the life of the connection are t's.
func (t Target) hops() []Target {
	all := append(slices.Clone(t.Jumps), t)
	all[0].Proxy, all[0].Environ = t.Proxy, t.Environ
	all[0].BindAddress, all[0].AddressFamily, all[0].DialContext = t.BindAddress, t.AddressFamily, t.DialContext
	return all
}

// name is the server as a person would write it: user@host:port.
func (t Target) name() string { return t.User + "@" + t.address() }

// keepalive is the interval of the keepalives.
func (t Target) keepalive() time.Duration {
	if t.Keepalive > 0 {
		return t.Keepalive
	}
	return 15 * time.Second
}

// silenceLimit is how long a connection may be silent before it is lost.
func (t Target) silenceLimit() time.Duration {
	return t.keepalive() * time.Duration(t.KeepaliveMisses+1)
}

// connectTimeout is how long steps 1 to 3 may take.
func (t Target) connectTimeout() time.Duration {
	if t.ConnectTimeout > 0 {
		return t.ConnectTimeout
	}
	return 15 * time.Second
}

// settled is how long a connection must have been up for the next failure to
// count as the first.
const settled = time.Minute

// Link is one supervised connection. Its exported fields are set before Serve.
type Link struct {
	// Events, if not nil, hears every step and change of state, in order. It
	// must not block, nor call the link.
	Events func(Event)
	// Admit waits until an attempt at a server (host:port), a jump host too, may
	// begin; leave is called when it is authenticated, has failed, or asks a
	// person. nil means at once.
	Admit func(ctx context.Context, server string) (leave func(), err error)
	// Now, After and Rand are the clock and the dice (see Backoff); nil means
	// the real ones.
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
	Rand  func(n int64) int64

	wake chan struct{} // ends a wait early; holds one, emptied by begin
	used chan struct{} // the demand changed; holds one

	telling sync.Mutex // held while Events is called, so that events keep their order

	mu        sync.Mutex // guards what follows
	target    Target
	interrupt context.CancelCauseFunc // ends the running attempt; nil before the first
	dialling  bool                    // the attempt has not reached anybody yet
	live      *conn                   // while up
	status    Status
	demand    demand
	changed   chan struct{}     // closed and replaced at every change of state
	granted   map[string]bool   // remote forwards that worked once, by their address
	asked     map[string]*inbox // who takes the channels that the server opens, by their type
}

// New returns a link to t that is down until Serve.
func New(t Target) *Link {
	return &Link{
		target:  t,
		wake:    make(chan struct{}, 1),
		used:    make(chan struct{}, 1),
		changed: make(chan struct{}),
		granted: map[string]bool{},
		asked:   map[string]*inbox{},
		status:  Status{State: Down},
	}
}

// What ends an attempt that is to begin anew: a person wants the connection, or
// an edit changed it for whoever wants it.
var (
	errRestarted  = errors.New("restarted")
	errRetargeted = fmt.Errorf("%w for another version of the profile", errRestarted)
)

// Serve dials, keeps alive and dials again until ctx ends, all while there is
// demand, and returns when everything that it started is over. Its error is ctx's.
func (l *Link) Serve(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		if l.isOver() {
			l.awaitDemand(ctx)
			failures = 0
			continue
		}
		before := l.Target().signature(ctx)
		lasted, err := l.attempt(ctx)
		switch wasUp := l.Status().State == Up; {
		case ctx.Err() != nil || errors.Is(err, errRetargeted):
			failures = 0
		case errors.Is(err, errRestarted):
			failures = 0
			l.want()
		case errors.Is(err, errUnused):
			failures = 0
			l.move(Idle, nil, time.Time{})
		case wasUp && l.isOver(): // lost, and nobody misses it
			failures = 0
			l.move(Idle, err, time.Time{})
		case errors.Is(err, errStale): // as often as the network changes
		case lasted >= settled:
			failures = 0
			l.move(Waiting, err, l.now())
		default:
			failures++
			l.rest(ctx, err, failures, before)
		}
	}
	l.move(Down, nil, time.Time{})
	return ctx.Err()
}

// attempt is one connection from the dial to its loss. lasted is how long it
// was up.
func (l *Link) attempt(ctx context.Context) (lasted time.Duration, err error) {
	defer fault.Recover(&err)
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	target := l.begin(end)
	c, err := l.connect(ctx, target)
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errRestarted) || errors.Is(cause, errStale) {
			return 0, cause
		}
		return 0, err
	}
	start := l.now()
	l.rise(c)
	err = c.serve(ctx)
	return l.now().Sub(start), err
}

// begin marks the start of an attempt, which end can interrupt.
func (l *Link) begin(end context.CancelCauseFunc) Target {
	l.mu.Lock()
	target := l.target
	l.interrupt = end
	l.mu.Unlock()
	l.move(Connecting, nil, time.Time{})
	select {
	case <-l.wake: // meant the wait that is over
	default:
	}
	return target
}

// rest waits until the next attempt makes sense: the backoff, a change of the
// files that led to a refusal, or Wake.
func (l *Link) rest(ctx context.Context, err error, failures int, before string) {
	target := l.Target()
	var timer <-chan time.Time
	state, wait := Waiting, target.Backoff.Wait(failures, l.Rand)
	switch reaction(err) {
	case fault.Refuse:
		state, wait = Refused, target.refusedRetry(l.Rand)
	case fault.Ask:
		state, wait = Blocked, 0
	}
	if wait > 0 {
		timer = l.after(wait)
		l.move(state, err, l.now().Add(wait))
	} else {
		l.move(state, err, time.Time{})
	}
	var look <-chan time.Time
	if state != Waiting { // who waits for a person or a file is not counted as a use
		look = l.after(lookAgain)
		l.want()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
			return
		case <-timer:
			return
		case <-look:
			if target.signature(ctx) != before {
				return
			}
			look = l.after(lookAgain)
		}
	}
}

// lookAgain is how often a refused or blocked link looks whether its files or
// the agent's keys changed.
const lookAgain = 2 * time.Second

// signature changes when something does that decides about a login: a file, or
// the keys in an agent.
func (t Target) signature(ctx context.Context) string {
	signature := ""
	for _, hop := range t.hops() {
		signature += identity.FilesSignature(hop.HostKeys.Files) + identity.FilesSignature(hop.Credentials.WatchedFiles()) +
			hop.Credentials.AgentSignature(ctx)
	}
	return signature
}

// refusedRetry is the wait after a refusal, spread by a tenth so that many
// profiles do not come back together.
func (t Target) refusedRetry(dice func(int64) int64) time.Duration {
	d := t.RefusedRetry
	if d <= 0 {
		d = 10 * time.Minute
	}
	return d + roll(dice, d/10)
}

// Target returns what the link connects to.
func (l *Link) Target() Target {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.target
}

// Retarget makes the link connect to t from now on: a live connection is
// closed, and the next one begins at once, or when there is demand.
func (l *Link) Retarget(t Target) {
	l.mu.Lock()
	l.target = t
	clear(l.granted) // by another server, perhaps
	l.mu.Unlock()
	l.breakOff(errRetargeted)
}

// Retime is Retarget to a t that differs in nothing but its times: a live
// connection stays, and is kept alive as t says.
func (l *Link) Retime(t Target) {
	l.mu.Lock()
	l.target = t
	live := l.live
	l.mu.Unlock()
	if live == nil {
		l.breakOff(errRetargeted)
		return
	}
	select {
	case live.retimed <- struct{}{}:
	default:
	}
}

// Restart closes the connection, if there is one, and begins the next at once.
func (l *Link) Restart() {
	l.want()
	l.breakOff(errRestarted)
}

// breakOff ends the running attempt because of why, or the wait for the next.
func (l *Link) breakOff(why error) {
	l.mu.Lock()
	if l.interrupt != nil {
		l.interrupt(why)
	}
	l.mu.Unlock()
	l.Wake()
}

// Wake ends a wait between attempts early. It does nothing to a live link, nor
// to an idle one.
func (l *Link) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *Link) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}

func (l *Link) after(d time.Duration) <-chan time.Time {
	if l.After != nil {
		return l.After(d)
	}
	return time.After(d)
}
