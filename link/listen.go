package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// forwardedTCPIP is the channel type of RFC 4254 section 7.2.
const forwardedTCPIP = "forwarded-tcpip"

// backlog is how many connections may wait for Accept; more are rejected, so
// that one listener that nobody serves never stops the connection.
const backlog = 128

// requestTimeout bounds the server's answer to a global request.
const requestTimeout = 30 * time.Second

// forwardAddr is an address to listen on at the server, its host as requested:
// permitlisten in authorized_keys compares the very word.
type forwardAddr struct {
	Host string
	Port uint32
}

func (a forwardAddr) String() string { return net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port))) }

// forwarded is the payload of a forwarded-tcpip channel open (RFC 4254 section 7.2).
type forwarded struct {
	Host       string
	Port       uint32
	OriginHost string
	OriginPort uint32
}

// listener is a remote forward (RFC 4254 section 7.1, and for a socket
// streamlocal.go). It fails when its connection dies.
type listener struct {
	conn  *conn
	addr  forwardAddr // of a port
	path  string      // of a socket; then addr is empty
	queue chan ssh.NewChannel
	gone  chan struct{}
	once  sync.Once
}

// Listen asks the server to listen on host and port, 0 for a port of its
// choice. It waits until the link is up, whatever keeps it from that, or until
// ctx ends. A refusal has the code remote_port_busy or remote_forward_denied.
func (l *Link) Listen(ctx context.Context, host string, port int) (net.Listener, error) {
	addr := forwardAddr{host, uint32(port)}
	return l.listen(ctx, addr.String(), func(c *conn) (*listener, error) { return c.listen(ctx, addr) })
}

// listen asks the live connection, and the next one when that dies meanwhile.
func (l *Link) listen(ctx context.Context, name string, ask func(*conn) (*listener, error)) (net.Listener, error) {
	for {
		c, err := l.await(ctx, true)
		if err != nil {
			return nil, err
		}
		ln, err := ask(c)
		switch {
		case err == nil:
			l.grant(name)
			return ln, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case !c.isDead():
			return nil, err
		}
		// The connection died meanwhile: wait for the next.
	}
}

func (l *Link) grant(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.granted[name] = true
}

func (l *Link) wasGranted(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.granted[name]
}

func (c *conn) listen(ctx context.Context, addr forwardAddr) (*listener, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errSlow)
	defer cancel()
	ln := c.newListener()
	ln.addr = addr
	// Registered before it is asked for: the first connection may come with the answer.
	c.register(ln)
	ok, reply, err := c.request(ctx, "tcpip-forward", ssh.Marshal(addr), c.giveBack(addr))
	switch {
	case err != nil:
		ln.withdraw() // giveBack cancels it, should the answer be yes
		return nil, fmt.Errorf("listen %s: %w", addr, err)
	case !ok:
		c.unregister(ln)
		return nil, c.refusal(ctx, addr)
	case addr.Port == 0:
		var picked struct{ Port uint32 }
		if err := ssh.Unmarshal(reply, &picked); err != nil {
			ln.Close()
			return nil, fault.New(fault.RemoteForwardDenied, fault.Forward, "the server did not say which port it listens on")
		}
		c.rename(ln, picked.Port)
	}
	return ln, nil
}

func (c *conn) newListener() *listener {
	return &listener{conn: c, queue: make(chan ssh.NewChannel, backlog), gone: make(chan struct{})}
}

// refusal tells a busy port from a forbidden one, as far as that can be told:
// the server gives no reason. A port that it gave before is busy, and so is
// one when it would give another.
func (c *conn) refusal(ctx context.Context, addr forwardAddr) error {
	busy := fault.New(fault.RemotePortBusy, fault.Forward, "the server cannot listen on %s: something else does", addr)
	denied := fault.New(fault.RemoteForwardDenied, fault.Forward, "the server refuses to listen on %s", addr)
	if c.link.wasGranted(addr.String()) {
		return busy
	}
	if addr.Port == 0 {
		return denied
	}
	trial := forwardAddr{addr.Host, 0}
	ok, reply, err := c.request(ctx, "tcpip-forward", ssh.Marshal(trial), c.giveBack(trial))
	if err != nil || !ok {
		return denied
	}
	var picked struct{ Port uint32 }
	if ssh.Unmarshal(reply, &picked) == nil {
		c.post("cancel-tcpip-forward", ssh.Marshal(forwardAddr{addr.Host, picked.Port}))
	}
	return busy
}

// giveBack cancels a forward that the server granted when nobody waited for it
// any more. It runs where requests are sent, so it sends by itself.
func (c *conn) giveBack(addr forwardAddr) func(globalReply) {
	return func(r globalReply) {
		var picked struct{ Port uint32 }
		if !r.ok {
			return
		}
		if addr.Port == 0 && ssh.Unmarshal(r.payload, &picked) == nil {
			addr.Port = picked.Port
		}
		c.ssh.SendRequest("cancel-tcpip-forward", false, ssh.Marshal(addr))
	}
}

func (c *conn) register(ln *listener) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners = append(c.listeners, ln)
}

func (c *conn) rename(ln *listener, port uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ln.addr.Port = port
}

func (c *conn) unregister(ln *listener) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, other := range c.listeners {
		if other == ln {
			c.listeners = append(c.listeners[:i:i], c.listeners[i+1:]...)
			return
		}
	}
}

// closeListeners fails every listener of a dead connection.
func (c *conn) closeListeners() {
	c.mu.Lock()
	all := c.listeners
	c.listeners = nil
	c.mu.Unlock()
	for _, ln := range all {
		ln.end()
	}
}

// acceptForwarded queues a connection for its listener, or rejects it.
func (c *conn) acceptForwarded(nc ssh.NewChannel) {
	var f forwarded
	if err := ssh.Unmarshal(nc.ExtraData(), &f); err != nil {
		nc.Reject(ssh.ConnectionFailed, "malformed")
		return
	}
	c.enqueue(nc, func() *listener { return c.find(f) })
}

// enqueue hands a connection to its listener, or rejects it.
func (c *conn) enqueue(nc ssh.NewChannel, find func() *listener) {
	if reason, text := c.offer(nc, find); reason != 0 {
		nc.Reject(reason, text)
	}
}

// offer says why nobody takes a connection. It calls find under the lock, so
// that a listener that closes meanwhile drains the connection or never gets it.
func (c *conn) offer(nc ssh.NewChannel, find func() *listener) (reason ssh.RejectionReason, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ln := find()
	if ln == nil {
		return ssh.Prohibited, "nobody listens"
	}
	select {
	case ln.queue <- nc:
		return 0, ""
	default:
		return ssh.ResourceShortage, "too many connections wait"
	}
}

// find returns the listener for an incoming connection. Servers differ in how
// they spell the host, so the port alone decides where it is unique. The caller
// holds the lock.
func (c *conn) find(f forwarded) *listener {
	var byPort, unnamed *listener
	ports := 0
	for _, ln := range c.listeners {
		switch {
		case ln.path != "": // a socket
		case ln.addr == forwardAddr{f.Host, f.Port}:
			return ln
		case ln.addr.Port == f.Port:
			byPort = ln
			ports++
		case ln.addr.Port == 0: // its port is not known yet
			unnamed = ln
		}
	}
	if ports == 1 {
		return byPort
	}
	return unnamed
}

// Accept returns the next connection; its RemoteAddr is the originator that the
// server names. io.EOF says that the link is idle, and nothing is wrong.
func (ln *listener) Accept() (net.Conn, error) {
	for {
		select {
		case <-ln.gone:
			return nil, ln.closed()
		case nc := <-ln.queue:
			ch, requests, err := nc.Accept()
			if err != nil {
				continue // it went away while it waited, or the connection died: gone tells
			}
			s := ln.conn.newStream(ch, requests, ln.Addr(), ln.origin(nc.ExtraData()))
			s.use = ln.conn.link.use()
			return s, nil
		}
	}
}

// origin is where a connection came from, as the server names it.
func (ln *listener) origin(payload []byte) net.Addr {
	var f forwarded
	if ln.path != "" || ssh.Unmarshal(payload, &f) != nil { // acceptForwarded read it before
		return socketAddr("@")
	}
	return tcpAddr(f.OriginHost, f.OriginPort)
}

func (ln *listener) closed() error {
	select {
	case <-ln.conn.dead:
		if errors.Is(ln.conn.why, errUnused) {
			return io.EOF
		}
		return fmt.Errorf("accept %s: %w", ln.Addr(), ln.conn.why)
	default:
		return net.ErrClosed
	}
}

// Close stops listening on the server. It does not wait for the server's answer.
func (ln *listener) Close() error {
	if !ln.withdraw() {
		return nil
	}
	if ln.path != "" {
		ln.conn.post(cancelStreamlocal, ssh.Marshal(streamlocal{ln.path}))
	} else {
		ln.conn.post("cancel-tcpip-forward", ssh.Marshal(ln.addr))
	}
	return nil
}

// withdraw ends the listener on our side, and reports whether it still lived.
func (ln *listener) withdraw() (lived bool) {
	ln.conn.unregister(ln)
	ln.once.Do(func() {
		close(ln.gone)
		ln.drain()
		lived = true
	})
	return lived
}

// end fails the listener together with its connection.
func (ln *listener) end() {
	ln.once.Do(func() { close(ln.gone) })
}

// drain rejects what waited for Accept.
func (ln *listener) drain() {
	for {
		select {
		case nc := <-ln.queue:
			nc.Reject(ssh.ConnectionFailed, "closed")
		default:
			return
		}
	}
}

// Addr returns the address at the server, with the port that it picked.
func (ln *listener) Addr() net.Addr {
	if ln.path != "" {
		return socketAddr(ln.path)
	}
	return tcpAddr(ln.addr.Host, ln.addr.Port)
}

// tcpAddr returns a *net.TCPAddr for a numeric host, which it is but for names
// such as localhost.
func tcpAddr(host string, port uint32) net.Addr {
	if ip := net.ParseIP(host); ip != nil {
		return &net.TCPAddr{IP: ip, Port: int(port)}
	}
	return hostAddr(net.JoinHostPort(fault.Clean(host), strconv.Itoa(int(port))))
}
