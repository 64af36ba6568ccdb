package daemon

import (
	"context"
	"net"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/link"
	"tunneld/profiles"
)

// Dial implements control.Daemon: a connection through the profile's live link.
func (s *Supervisor) Dial(ctx context.Context, profile, target string) (control.Pipe, error) {
	to, err := profiles.ParseTarget(target)
	if err != nil {
		return nil, fault.New(fault.TargetRefused, fault.Forward, "%q is no target: %w", fault.Clean(target), err).
			WithHint("want host:port, or unix:PATH on the server")
	}
	v, err := s.visit(ctx, profile)
	if err != nil {
		return nil, err
	}
	conn, err := v.dial(to)
	if err != nil {
		v.leave()
		return nil, v.explain(err)
	}
	return conn, nil
}

func (v visit) dial(to profiles.Address) (*visitor, error) {
	g, err := v.receive("a connection to " + to.String())
	if err != nil {
		return nil, err
	}
	var conn net.Conn
	if to.Network == profiles.Unix {
		conn, err = v.tunnel.link.DialUnix(g.ctx, to.Path, v.hold)
	} else {
		conn, err = v.tunnel.link.Dial(g.ctx, to.Host, to.Port, nil, v.hold)
	}
	if err != nil {
		return nil, g.refused(err)
	}
	conn = link.Leavable(conn)
	g.opened(conn.Close)
	return &visitor{conn, g}, nil
}

// visitor is a connection that ends its visit.
type visitor struct {
	net.Conn
	*guest
}

// Read says why a connection broke.
func (c *visitor) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.explain(err)
}

// CloseWrite ends our direction.
func (c *visitor) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return link.ErrDown
}

// Close ends the visit too.
func (c *visitor) Close() error {
	err := c.Conn.Close()
	c.close()
	return err
}
