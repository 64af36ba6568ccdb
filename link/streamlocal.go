package link

import (
	"context"
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// Unix sockets on the server are OpenSSH's extension: its PROTOCOL page,
// section 2.4.
const (
	directStreamlocal    = "direct-streamlocal@openssh.com"
	forwardedStreamlocal = "forwarded-streamlocal@openssh.com"
	forwardStreamlocal   = "streamlocal-forward@openssh.com"
	cancelStreamlocal    = "cancel-streamlocal-forward@openssh.com"
)

// directSocket is the payload of a direct-streamlocal channel open.
type directSocket struct {
	Path      string
	Reserved  string
	Reserved1 uint32
}

// streamlocal is the payload of a request to listen, or not to any more.
type streamlocal struct{ Path string }

// forwardedSocket is the payload of a forwarded-streamlocal channel open.
type forwardedSocket struct {
	Path     string
	Reserved string
}

// DialUnix is Dial for a socket in the server's file system. OpenSSH's server
// refuses a forbidden one and one that nobody listens on in the same words.
func (l *Link) DialUnix(ctx context.Context, path string, hold time.Duration) (net.Conn, error) {
	conn, err := l.dial(ctx, hold, socketDestination(path))
	switch fault.CodeOf(err) {
	case fault.TargetRefused, fault.TargetDenied:
		err = fault.As(err).WithHint("check that a program listens there, that the account on the server may use the socket, and AllowStreamLocalForwarding in the server's sshd_config")
	}
	return conn, err
}

func socketDestination(path string) destination {
	return destination{kind: directStreamlocal, payload: ssh.Marshal(directSocket{Path: path}), addr: socketAddr(path)}
}

// ListenUnix is Listen for a socket in the server's file system. OpenSSH's
// server leaves the file behind when the connection or the forward ends, and
// then refuses the next unless StreamLocalBindUnlink is set.
func (l *Link) ListenUnix(ctx context.Context, path string) (net.Listener, error) {
	return l.listen(ctx, path, func(c *conn) (*listener, error) { return c.listenUnix(ctx, path) })
}

func (c *conn) listenUnix(ctx context.Context, path string) (*listener, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errSlow)
	defer cancel()
	ln := c.newListener()
	ln.path = path
	c.register(ln)
	ok, _, err := c.request(ctx, forwardStreamlocal, ssh.Marshal(streamlocal{path}), c.giveBackUnix(path))
	switch {
	case err != nil:
		ln.withdraw() // giveBackUnix cancels it, should the answer be yes
		return nil, fmt.Errorf("listen %s: %w", path, err)
	case !ok:
		c.unregister(ln)
		return nil, c.refusalUnix(path)
	}
	return ln, nil
}

// refusalUnix guesses why, since the server gives no reason: a path that it
// gave before is taken, mostly by the file of the connection before.
func (c *conn) refusalUnix(path string) error {
	if c.link.wasGranted(path) {
		return fault.New(fault.RemotePortBusy, fault.Forward, "the server cannot listen on %s: the file is there already", path).
			WithHint("set StreamLocalBindUnlink yes in the server's sshd_config, or remove %s on the server", path)
	}
	return fault.New(fault.RemoteForwardDenied, fault.Forward, "the server refuses to listen on %s", path).
		WithHint("a file %s that is there already must go, and StreamLocalBindUnlink yes in the server's sshd_config keeps it from coming back; check AllowStreamLocalForwarding there, and that the folder exists", path)
}

// giveBackUnix is giveBack for a socket.
func (c *conn) giveBackUnix(path string) func(globalReply) {
	return func(r globalReply) {
		if r.ok {
			c.ssh.SendRequest(cancelStreamlocal, false, ssh.Marshal(streamlocal{path}))
		}
	}
}

// acceptStreamlocal queues a connection to a socket for its listener, or
// rejects it.
func (c *conn) acceptStreamlocal(nc ssh.NewChannel) {
	var f forwardedSocket
	if err := ssh.Unmarshal(nc.ExtraData(), &f); err != nil {
		nc.Reject(ssh.ConnectionFailed, "malformed")
		return
	}
	c.enqueue(nc, func() *listener { return c.findUnix(f.Path) })
}

// findUnix returns the listener on path, or nil. The caller holds the lock.
func (c *conn) findUnix(path string) *listener {
	for _, ln := range c.listeners {
		if ln.path == path {
			return ln
		}
	}
	return nil
}

func socketAddr(path string) net.Addr { return &net.UnixAddr{Net: "unix", Name: path} }
