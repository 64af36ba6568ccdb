package sshserver

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

const dialTimeout = 10 * time.Second

// conn is one authenticated connection.
type conn struct {
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc
	server *Server
	ssh    *ssh.ServerConn
	work   sync.WaitGroup // everything started for this connection

	mu        sync.Mutex
	listeners map[address]net.Listener // by the address that the client knows
}

func newConn(ctx context.Context, s *Server, c *ssh.ServerConn) *conn {
	ctx, cancel := context.WithCancel(ctx)
	return &conn{ctx: ctx, cancel: cancel, server: s, ssh: c, listeners: map[address]net.Listener{}}
}

// serve returns when the connection and all that it carried are over.
func (c *conn) serve(channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	c.work.Add(1)
	go c.serveRequests(requests)
	for channel := range channels {
		c.server.recordOpen(channel)
		c.work.Add(1)
		go c.serveChannel(channel)
	}
	c.cancel()
	c.work.Wait()
}

// serveRequests answers global requests in their order (RFC 4254 section 4).
func (c *conn) serveRequests(requests <-chan *ssh.Request) {
	defer c.work.Done()
	for req := range requests {
		if c.server.Request != nil && c.server.Request(req) {
			continue
		}
		switch req.Type {
		case "tcpip-forward":
			c.forward(req)
		case "cancel-tcpip-forward":
			c.cancelForward(req)
		default:
			req.Reply(false, nil) // keepalive@openssh.com wants just this
		}
	}
}

func (c *conn) serveChannel(channel ssh.NewChannel) {
	defer c.work.Done()
	if c.server.Open != nil && c.server.Open(channel) {
		return
	}
	switch kind := channel.ChannelType(); {
	case kind == "direct-tcpip":
		c.direct(channel)
	case kind == "session" && c.server.Session != nil:
		c.server.Session(c.ctx, c.ssh, channel)
	case kind == "session":
		channel.Reject(ssh.Prohibited, "this server has no sessions")
	default:
		channel.Reject(ssh.UnknownChannelType, "unknown channel type "+kind)
	}
}

// direct connects a channel to its target (RFC 4254 section 7.2).
func (c *conn) direct(channel ssh.NewChannel) {
	d, err := parseDirect(channel.ExtraData())
	if err != nil {
		channel.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, dialTimeout)
	target, err := c.dial(ctx, d.target())
	cancel()
	if err != nil {
		channel.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	stream, requests, err := channel.Accept()
	if err != nil {
		target.Close()
		return
	}
	c.splice(stream, requests, target)
}

func (c *conn) dial(ctx context.Context, target string) (net.Conn, error) {
	if c.server.Dial != nil {
		return c.server.Dial(ctx, target)
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, "tcp", target)
}

// direct is the payload of direct-tcpip and, with the listener in the place of
// the target, of forwarded-tcpip.
type direct struct {
	Host       string
	Port       uint32
	OriginHost string
	OriginPort uint32
}

func parseDirect(payload []byte) (direct, error) {
	var d direct
	if err := ssh.Unmarshal(payload, &d); err != nil {
		return d, fmt.Errorf("direct-tcpip: %w", err)
	}
	if d.Port > 65535 {
		return d, fmt.Errorf("direct-tcpip: port %d is out of range", d.Port)
	}
	return d, nil
}

func (d direct) target() string { return hostPort(d.Host, d.Port) }
func (d direct) origin() string { return hostPort(d.OriginHost, d.OriginPort) }

func hostPort(host string, port uint32) string {
	return net.JoinHostPort(host, strconv.FormatUint(uint64(port), 10))
}
