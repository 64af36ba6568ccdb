package link

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// The types of the channels that a server opens for a session that asked for it.
const (
	x11Channel   = "x11"                    // RFC 4254 section 6.3.2
	agentChannel = "auth-agent@openssh.com" // draft-ietf-sshm-ssh-agent, section 4.2
)

// x11Origin is the payload of an x11 channel open (RFC 4254 section 6.3.2).
type x11Origin struct {
	Host string
	Port uint32
}

// X11Channels listens for the x11 channels that the server opens, on this
// connection and on every later one, until the listener is closed. While there
// is none, such a channel is rejected and told as an event: a server that opens
// one unasked is after the display. There is one listener at a time.
//
// The connections have CloseWrite; their RemoteAddr is the originator that the
// server names. Accept must be called again soon: more than 128 that wait are
// rejected.
func (l *Link) X11Channels() (net.Listener, error) { return l.ask(x11Channel) }

// AgentChannels is X11Channels for auth-agent@openssh.com channels, which reach
// for the agent.
func (l *Link) AgentChannels() (net.Listener, error) { return l.ask(agentChannel) }

// inbox takes the channels of one type that servers open.
type inbox struct {
	link  *Link
	kind  string
	queue chan arrival
	gone  chan struct{}
	once  sync.Once
}

// arrival is a channel that waits for Accept.
type arrival struct {
	conn    *conn
	channel ssh.NewChannel
}

// ask makes the link take channels of a type from now on.
func (l *Link) ask(kind string) (net.Listener, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked[kind] != nil {
		return nil, fmt.Errorf("%s channels have a listener already", kind)
	}
	in := &inbox{link: l, kind: kind, queue: make(chan arrival, backlog), gone: make(chan struct{})}
	l.asked[kind] = in
	return in, nil
}

// acceptAsked queues a channel for the listener of its type, or rejects it. A
// jump host was never asked.
func (c *conn) acceptAsked(nc ssh.NewChannel) {
	if c.name != "" {
		c.rejectUnasked(nc)
		return
	}
	if _, err := originOf(nc); err != nil {
		nc.Reject(ssh.ConnectionFailed, "malformed")
		return
	}
	switch found, queued := c.link.offer(arrival{c, nc}); {
	case !found:
		c.rejectUnasked(nc)
	case !queued:
		nc.Reject(ssh.ResourceShortage, "too many channels wait")
	}
}

// offer queues under the lock, so that a listener that closes meanwhile drains
// the channel or never gets it.
func (l *Link) offer(a arrival) (found, queued bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	in := l.asked[a.channel.ChannelType()]
	if in == nil {
		return false, false
	}
	select {
	case in.queue <- a:
		return true, true
	default:
		return true, false
	}
}

// rejectUnasked tells of what no server should open, and turns it away.
func (c *conn) rejectUnasked(nc ssh.NewChannel) {
	kind, step := fault.Clean(nc.ChannelType()), fault.Session
	if kind == x11Channel {
		step = fault.X11
	}
	server := "the server"
	if c.name != "" {
		server = "jump host " + c.name
	}
	err := fmt.Errorf("%s opened a channel nobody asked for: %s", server, kind)
	c.link.report(Event{Step: step, Message: "rejected a channel nobody asked for", Detail: kind, Err: err})
	nc.Reject(ssh.UnknownChannelType, "not asked for")
}

// Accept returns the next channel, from whatever connection.
func (in *inbox) Accept() (net.Conn, error) {
	for {
		select {
		case <-in.gone:
			return nil, net.ErrClosed
		case a := <-in.queue:
			ch, requests, err := a.channel.Accept()
			if err != nil {
				continue // its connection died while it waited
			}
			from, _ := originOf(a.channel) // acceptAsked read it before
			s := a.conn.newStream(ch, requests, in.Addr(), from)
			s.use = in.link.use()
			return s, nil
		}
	}
}

// Close rejects what waits, and what comes. Channels that were accepted stay.
func (in *inbox) Close() error {
	in.once.Do(func() {
		in.link.mu.Lock()
		delete(in.link.asked, in.kind)
		in.link.mu.Unlock()
		close(in.gone)
		in.empty()
	})
	return nil
}

func (in *inbox) empty() {
	for {
		select {
		case a := <-in.queue:
			a.channel.Reject(ssh.ConnectionFailed, "closed")
		default:
			return
		}
	}
}

// Addr names the type of the channels.
func (in *inbox) Addr() net.Addr { return channelAddr(in.kind) }

// channelAddr stands for one end of a channel that has no other address.
type channelAddr string

func (channelAddr) Network() string  { return "ssh" }
func (a channelAddr) String() string { return string(a) }

// originOf is where a channel came from, as the server names it.
func originOf(nc ssh.NewChannel) (net.Addr, error) {
	if nc.ChannelType() != x11Channel {
		return channelAddr(nc.ChannelType()), nil
	}
	var o x11Origin
	if err := ssh.Unmarshal(nc.ExtraData(), &o); err != nil {
		return nil, errors.New("malformed x11 channel")
	}
	return tcpAddr(o.Host, o.Port), nil
}
