package sshserver

import (
	"context"
	"net"

	"golang.org/x/crypto/ssh"
)

// address is the payload of tcpip-forward and its cancellation, and names a
// forward: host as the client wrote it, port as it was bound.
type address struct {
	Host string
	Port uint32
}

// forward binds an address and sends what connects there through the
// connection (RFC 4254 section 7.1). Whatever the client names, only loopback
// is bound, as sshd does without GatewayPorts.
func (c *conn) forward(req *ssh.Request) {
	var asked address
	if err := ssh.Unmarshal(req.Payload, &asked); err != nil || asked.Port > 65535 {
		req.Reply(false, nil)
		return
	}
	listener, err := net.Listen("tcp", hostPort(loopback(asked.Host), asked.Port))
	if err != nil {
		req.Reply(false, nil)
		return
	}
	known := address{asked.Host, uint32(listener.Addr().(*net.TCPAddr).Port)}
	c.mu.Lock()
	c.listeners[known] = listener
	c.mu.Unlock()
	c.server.recordForward(listener.Addr().String(), true)
	var reply []byte
	if asked.Port == 0 {
		reply = ssh.Marshal(struct{ Port uint32 }{known.Port})
	}
	req.Reply(true, reply)
	c.work.Add(1)
	go c.acceptForward(known, listener)
}

func (c *conn) cancelForward(req *ssh.Request) {
	var known address
	err := ssh.Unmarshal(req.Payload, &known)
	c.mu.Lock()
	listener := c.listeners[known]
	delete(c.listeners, known)
	c.mu.Unlock()
	if err != nil || listener == nil {
		req.Reply(false, nil)
		return
	}
	listener.Close()
	req.Reply(true, nil)
}

// acceptForward returns when the forward is cancelled or the connection over.
func (c *conn) acceptForward(known address, listener net.Listener) {
	defer c.work.Done()
	defer c.server.recordForward(listener.Addr().String(), false)
	stop := context.AfterFunc(c.ctx, func() { listener.Close() })
	defer stop()
	defer listener.Close()
	for {
		visitor, err := listener.Accept()
		if err != nil {
			return
		}
		c.work.Add(1)
		go c.forwarded(known, visitor)
	}
}

// forwarded sends one visitor through the connection, with his true address.
func (c *conn) forwarded(known address, visitor net.Conn) {
	defer c.work.Done()
	from := visitor.RemoteAddr().(*net.TCPAddr)
	payload := ssh.Marshal(direct{known.Host, known.Port, from.IP.String(), uint32(from.Port)})
	stream, requests, err := c.ssh.OpenChannel("forwarded-tcpip", payload)
	if err != nil {
		visitor.Close()
		return
	}
	c.splice(stream, requests, visitor)
}

func loopback(host string) string {
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		return "::1"
	}
	return "127.0.0.1"
}
