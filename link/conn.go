package link

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// conn is one live connection. When it dies, the transport is closed first:
// everything that x/crypto blocks in is released by that and by nothing else.
type conn struct {
	link   *Link
	target Target
	below  *conn  // to the jump host that carries this one alone, or nil
	name   string // of a jump host, for its events; "" for the target
	wire   *wire
	ssh    ssh.Conn
	peer   Peer

	channels <-chan ssh.NewChannel
	incoming <-chan *ssh.Request
	outgoing chan globalRequest
	rotated  chan []byte   // payloads of hostkeys-00@openssh.com; holds one
	retimed  chan struct{} // the link's times changed; holds one

	rtt     atomic.Int64 // of the last keepalive, in nanoseconds
	probing atomic.Bool  // a probe is under way
	dead    chan struct{}
	once    sync.Once
	why     error          // set before dead is closed
	work    sync.WaitGroup // every goroutine of the connection

	mu        sync.Mutex // guards what follows
	ended     bool       // no goroutine may start any more
	listeners []*listener
}

func newConn(h *hop, sc ssh.Conn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) *conn {
	return &conn{
		link: h.link, target: h.target, below: h.below, name: h.name, wire: h.wire, ssh: sc, peer: h.peer(sc),
		channels: channels, incoming: requests,
		outgoing: make(chan globalRequest, 1024),
		rotated:  make(chan []byte, 1),
		retimed:  make(chan struct{}, 1),
		dead:     make(chan struct{}),
	}
}

// start runs what every connection needs, that to a jump host too.
func (c *conn) start() {
	for _, part := range []func(){c.acceptChannels, c.answerRequests, c.sendRequests, c.updateHostKeys, c.watch} {
		c.spawn(part)
	}
}

// serve runs the connection until it dies or ctx ends, and returns why, when
// all its goroutines are over.
func (c *conn) serve(ctx context.Context) error {
	c.start()
	c.spawn(c.keepalive)
	c.spawn(c.watchUse)
	select {
	case <-ctx.Done():
		c.fail(context.Cause(ctx))
	case <-c.dead:
	}
	c.end(nil)
	return c.why
}

// end closes the connection and those to the jump hosts below it, and returns
// when all their goroutines are over. A nil conn has none.
func (c *conn) end(why error) {
	for ; c != nil; c = c.below {
		c.fail(why)
		c.work.Wait()
		why = errLeft
	}
}

// spawn runs part as one of the connection's goroutines, unless the connection
// is over. A panic in it ends the connection only.
func (c *conn) spawn(part func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.work.Add(1)
	go c.run(part)
	return true
}

func (c *conn) run(part func()) {
	defer c.work.Done()
	if err := guarded(part); err != nil {
		c.fail(err)
	}
}

func guarded(part func()) (err error) {
	defer fault.Recover(&err)
	part()
	return nil
}

// fail ends the connection because of err; the first reason stays.
func (c *conn) fail(err error) {
	c.once.Do(func() {
		c.wire.Close()
		c.why = err
		close(c.dead)
		c.mu.Lock()
		c.ended = true
		c.mu.Unlock()
		c.closeListeners()
	})
}

func (c *conn) isDead() bool {
	select {
	case <-c.dead:
		return true
	default:
		return c.wire.broken.Load()
	}
}

// watch waits for x/crypto's read loop to end.
func (c *conn) watch() {
	err := c.ssh.Wait()
	if readErr := c.wire.err(); readErr != nil {
		err = readErr // the reason below x/crypto's
	}
	if lost := c.below.lost(); lost != nil {
		err = lost
	}
	c.fail(lostError(err))
}

// tell tells of a step; a jump host's detail names the hop.
func (c *conn) tell(step fault.Step, message, detail string) {
	c.link.stepAt(c.name, step, message, detail)
}

// acceptChannels hands off every channel that the server opens. Nothing here
// blocks: an unread channel would stop the whole connection.
func (c *conn) acceptChannels() {
	for nc := range c.channels {
		switch nc.ChannelType() {
		case forwardedTCPIP:
			c.acceptForwarded(nc)
		case forwardedStreamlocal:
			c.acceptStreamlocal(nc)
		case x11Channel, agentChannel:
			c.acceptAsked(nc)
		default:
			c.rejectUnasked(nc)
		}
	}
}

// answerRequests answers the server's global requests (RFC 4254 section 4).
// OpenSSH's server takes a refusal as the answer to its own keepalive.
func (c *conn) answerRequests() {
	for r := range c.incoming {
		if r.Type == hostKeysRequest {
			c.hearHostKeys(r.Payload)
		}
		if r.WantReply {
			r.Reply(false, nil)
		}
	}
}

// globalRequest is one request of ours. x/crypto sends them one after another
// and knows no deadline, so one goroutine sends them all.
type globalRequest struct {
	name      string
	payload   []byte
	wantReply bool
	done      chan globalReply  // nil when nobody waits
	left      <-chan struct{}   // closed when whoever waits on done has left
	late      func(globalReply) // takes the answer then; nil means that it does not matter
}

type globalReply struct {
	ok      bool
	payload []byte
	took    time.Duration
	err     error
}

func (c *conn) sendRequests() {
	for {
		select {
		case <-c.dead:
			return
		case r := <-c.outgoing:
			start := c.link.now()
			ok, payload, err := c.ssh.SendRequest(r.name, r.wantReply, r.payload)
			c.hand(r, globalReply{ok: ok, payload: payload, took: c.link.now().Sub(start), err: err})
		}
	}
}

// hand gives an answer to whoever waits for it, or to late when nobody does any
// more.
func (c *conn) hand(r globalRequest, reply globalReply) {
	if r.done == nil {
		return
	}
	select {
	case r.done <- reply:
	case <-c.dead:
	case <-r.left:
		if r.late != nil && reply.err == nil {
			r.late(reply)
		}
	}
}

// request sends a global request and waits for the answer, the end of the
// connection, or ctx; an answer that comes after ctx goes to late.
func (c *conn) request(ctx context.Context, name string, payload []byte, late func(globalReply)) (bool, []byte, error) {
	r := globalRequest{name: name, payload: payload, wantReply: true, done: make(chan globalReply), left: ctx.Done(), late: late}
	select {
	case c.outgoing <- r:
	case <-c.dead:
		return false, nil, c.why
	case <-ctx.Done():
		return false, nil, context.Cause(ctx)
	}
	select {
	case reply := <-r.done:
		return reply.ok, reply.payload, reply.err
	case <-c.dead:
		return false, nil, c.why
	case <-ctx.Done():
		return false, nil, context.Cause(ctx)
	}
}

// post sends a global request without an answer, in the order of the others.
func (c *conn) post(name string, payload []byte) {
	select {
	case c.outgoing <- globalRequest{name: name, payload: payload}:
	case <-c.dead:
	}
}

// keepaliveRequest is one that OpenSSH's server refuses, which is an answer.
const keepaliveRequest = "keepalive@openssh.com"

// keepalive asks the server for a sign of life at every interval, and ends the
// connection when nothing at all was received for Keepalive × (Misses + 1), as
// the link has them now. Any byte counts: an answer may queue behind a bulk
// transfer.
func (c *conn) keepalive() {
	var answer chan globalReply // of the keepalive that is under way
	began := c.link.now()       // to count the silence
	asked := began
	for {
		t, now := c.link.Target(), c.link.now()
		silent, limit := min(c.wire.silent(), now.Sub(began)), t.silenceLimit()
		if silent >= limit {
			c.fail(fault.New(fault.KeepaliveLost, "", "nothing received for %s", limit))
			return
		}
		if answer == nil && now.Sub(asked) >= t.keepalive() {
			answer = make(chan globalReply, 1)
			select {
			case c.outgoing <- globalRequest{name: keepaliveRequest, wantReply: true, done: answer}:
			default: // requests queue: their answers are signs of life too
				answer = nil
			}
			asked = now
		}
		wait := limit - silent
		if answer == nil {
			wait = min(wait, max(t.keepalive()-now.Sub(asked), time.Millisecond))
		}
		select {
		case <-c.dead:
			return
		case r := <-answer:
			answer = nil
			if r.err == nil {
				c.rtt.Store(int64(r.took))
			}
		case <-c.retimed: // a silence that was long enough for other times is none for these
			began = c.link.now()
			asked = began
		case <-c.link.after(wait):
		}
	}
}
