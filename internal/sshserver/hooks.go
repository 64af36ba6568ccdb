package sshserver

import (
	"net"
	"sync/atomic"

	"golang.org/x/crypto/ssh"
)

// Swallow returns a Request hook that never answers requests of that type, as
// a peer does that hangs.
func Swallow(kind string) func(*ssh.Request) bool {
	return func(req *ssh.Request) bool { return req.Type == kind }
}

// Refuse returns a Request hook that says no to requests of that type.
func Refuse(kind string) func(*ssh.Request) bool {
	return func(req *ssh.Request) bool {
		if req.Type != kind {
			return false
		}
		req.Reply(false, nil)
		return true
	}
}

// Pretend returns a Request hook that says yes to requests of that type, does
// nothing, and names port where a port was asked for.
func Pretend(kind string, port uint32) func(*ssh.Request) bool {
	return func(req *ssh.Request) bool {
		if req.Type != kind {
			return false
		}
		req.Reply(true, ssh.Marshal(struct{ Port uint32 }{port}))
		return true
	}
}

// RejectOpen returns an Open hook that rejects channels of that type.
func RejectOpen(kind string, reason ssh.RejectionReason, message string) func(ssh.NewChannel) bool {
	return func(channel ssh.NewChannel) bool {
		if channel.ChannelType() != kind {
			return false
		}
		channel.Reject(reason, message)
		return true
	}
}

// Greet returns an Accepted hook that sends text before the version line,
// which RFC 4253 section 4.2 lets a server do.
func Greet(text string) func(net.Conn) net.Conn {
	return func(conn net.Conn) net.Conn {
		conn.Write([]byte(text))
		return conn
	}
}

// CutAfter returns an Accepted hook that closes each connection once the
// server has written n bytes of it.
func CutAfter(n int64) func(net.Conn) net.Conn {
	return func(conn net.Conn) net.Conn {
		c := &cutConn{Conn: conn}
		c.left.Store(n)
		return c
	}
}

type cutConn struct {
	net.Conn
	left atomic.Int64
}

func (c *cutConn) Write(p []byte) (int, error) {
	left := c.left.Add(-int64(len(p)))
	if left > 0 {
		return c.Conn.Write(p)
	}
	n, _ := c.Conn.Write(p[:max(0, int64(len(p))+left)])
	c.Conn.Close()
	return n, net.ErrClosed
}
