package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// openTimeout bounds how long the server may take to open a channel. sshd
// itself waits for the target as long as its kernel does, two minutes and more.
const openTimeout = 60 * time.Second

// openTries is how many connections may die while they open one channel. A
// server that drops the connection over what one client asks for must not be
// asked again and again: that would cut everybody else's.
const openTries = 2

// errHold ends the wait for a link that did not come back.
var errHold = errors.New("hold expired")

// directTCPIP is the payload of a direct-tcpip channel open (RFC 4254 section 7.2).
type directTCPIP struct {
	Host       string
	Port       uint32
	OriginHost string
	OriginPort uint32
}

// Dial connects to host and port as the server sees them, for a client at
// origin. It waits up to hold for a link that is connecting or waiting, as long
// as that takes for the first attempt of one that is idle, and fails at once on
// one that is down, blocked or refused. Its errors carry a code: hold_expired,
// target_refused, target_timeout, target_denied, or the link's own. A connection
// that dies while it opens the channel is replaced once by the next, within what
// is left of hold.
func (l *Link) Dial(ctx context.Context, host string, port int, origin net.Addr, hold time.Duration) (net.Conn, error) {
	return l.dial(ctx, hold, tcpDestination(host, port, origin))
}

// destination is what a channel is opened to.
type destination struct {
	kind    string // of the channel
	payload []byte
	addr    net.Addr
}

func tcpDestination(host string, port int, origin net.Addr) destination {
	originHost, originPort := split(origin)
	return destination{
		kind:    "direct-tcpip",
		payload: ssh.Marshal(directTCPIP{host, uint32(port), originHost, uint32(originPort)}),
		addr:    hostAddr(net.JoinHostPort(host, strconv.Itoa(port))),
	}
}

// dial opens a channel to a destination.
func (l *Link) dial(ctx context.Context, hold time.Duration, to destination) (net.Conn, error) {
	var s *stream
	err := l.onLive(ctx, hold, "dial "+to.addr.String(), func(c *conn) (err error) {
		if s, err = c.dial(ctx, to); err == nil {
			s.use = l.use()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// onLive opens a channel on the live connection, or on the next one when that
// dies under it. All waits for a link share one hold.
func (l *Link) onLive(ctx context.Context, hold time.Duration, what string, open func(*conn) error) error {
	defer l.Hold()()
	for try := 1; ; try++ {
		start := l.now()
		c, err := l.held(ctx, hold)
		if err != nil {
			return err
		}
		hold -= l.now().Sub(start)
		err = open(c)
		switch {
		case err == nil || !c.isDead() || ctx.Err() != nil:
			return err
		case try == openTries:
			<-c.dead // its end is seen a moment before its reason
			return fmt.Errorf("%s: %w", what, c.why)
		}
	}
}

// Try opens the stream of a trial on the live connection, without waiting for
// one, and without counting as a use of it: for a look at what is behind a link.
// ErrDown says that there is none, or that it died meanwhile; else the errors
// are those of Dial.
func (l *Link) Try(ctx context.Context, t Trial) (net.Conn, error) {
	l.mu.Lock()
	c := l.live
	l.mu.Unlock()
	if c == nil || c.isDead() {
		return nil, ErrDown
	}
	s, err := c.dial(ctx, t.destination())
	switch {
	case err == nil:
		return s, nil
	case c.isDead():
		return nil, ErrDown
	}
	return nil, err
}

// held waits up to hold for the link, and for as long as it takes an idle one to
// come up or fail: that is not coming back.
func (l *Link) held(ctx context.Context, hold time.Duration) (*conn, error) {
	if c, _, err := l.look(false); c != nil || err != nil {
		return c, err
	}
	start := l.now()
	l.awaitFirst(ctx)
	waiting, cancel := context.WithTimeoutCause(ctx, hold-l.now().Sub(start), errHold)
	defer cancel()
	c, err := l.await(waiting, false)
	tellHeld(ctx, l.now().Sub(start))
	if errors.Is(err, errHold) {
		why := ""
		if e := l.Status().Err; e != nil {
			why = "; " + e.Error()
		}
		return nil, fault.New(fault.HoldExpired, fault.Forward, "the link did not come back within %s%s", l.now().Sub(start).Round(time.Millisecond), why)
	}
	return c, err
}

// awaitFirst waits for the end of the first attempt of an idle link, which has
// its own deadline, or for the end of ctx.
func (l *Link) awaitFirst(ctx context.Context) {
	for isFirst, changed := l.isFirst(); isFirst; isFirst, changed = l.isFirst() {
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// isFirst reports that the link is idle, about to be, or in its first attempt
// since, and returns what is closed when that may have changed.
func (l *Link) isFirst() (isFirst bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	retired := l.status.State == Up && l.live == nil
	return l.demand.first || retired, l.changed
}

func (c *conn) dial(ctx context.Context, to destination) (*stream, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	ch, requests, err := c.open(ctx, to.kind, to.payload)
	if err != nil {
		return nil, openError(ctx, to.addr.String(), err)
	}
	return c.newStream(ch, requests, c.wire.LocalAddr(), to.addr), nil
}

// split returns host and port of an address. RFC 4254 section 7.2 wants the
// numeric address of the originator; one that has none is called localhost.
func split(a net.Addr) (string, int) {
	if a == nil {
		return "localhost", 0
	}
	host, service, err := net.SplitHostPort(a.String())
	if err != nil {
		return "localhost", 0
	}
	port, _ := strconv.Atoi(service)
	return host, port
}

// opened is the server's answer to a channel open.
type opened struct {
	channel  ssh.Channel
	requests <-chan *ssh.Request
	err      error
}

// open opens a channel, or gives up at the end of ctx: then the channel is
// closed when it comes late.
func (c *conn) open(ctx context.Context, kind string, payload []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	answer := make(chan opened)
	if !c.spawn(func() { c.awaitOpen(ctx, kind, payload, answer) }) {
		return nil, nil, c.why
	}
	select {
	case o := <-answer:
		return o.channel, o.requests, o.err
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	case <-c.dead:
		return nil, nil, c.why
	}
}

func (c *conn) awaitOpen(ctx context.Context, kind string, payload []byte, answer chan<- opened) {
	var o opened
	o.channel, o.requests, o.err = c.ssh.OpenChannel(kind, payload)
	select {
	case answer <- o:
		return
	case <-ctx.Done():
	case <-c.dead:
	}
	if o.err == nil {
		o.channel.Close()
		ssh.DiscardRequests(o.requests)
	}
}

// openError names the reason why the server did not open a channel to target
// (RFC 4254 section 5.1). OpenSSH gives its kernel's words as the description.
func openError(ctx context.Context, target string, err error) error {
	if fault.As(err) != nil {
		return err
	}
	var refusal *ssh.OpenChannelError
	if !errors.As(err, &refusal) {
		if ctx.Err() == context.DeadlineExceeded {
			return fault.New(fault.TargetTimeout, fault.Forward, "%s: the server did not answer within %s", target, openTimeout)
		}
		return fmt.Errorf("dial %s: %w", target, err)
	}
	text := fault.Clean(refusal.Message)
	switch {
	case refusal.Reason == ssh.Prohibited:
		return fault.New(fault.TargetDenied, fault.Forward, "%s: %s", target, text)
	case strings.Contains(strings.ToLower(text), "timed out"):
		return fault.New(fault.TargetTimeout, fault.Forward, "%s: %s", target, text)
	default:
		return fault.New(fault.TargetRefused, fault.Forward, "%s: %s", target, text)
	}
}
