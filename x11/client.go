package x11

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// The first byte of what a display sends (X Window System Protocol, chapter 1).
// All else are events.
const (
	isError        = 0
	isReply        = 1
	isGenericEvent = 35 // the one event that may be longer than 32 bytes
)

// messageSize is the length of every message, in bytes; a reply may have more
// after it, of which messageLimit is far above any that is asked for here.
const (
	messageSize  = 32
	messageLimit = 1 << 16
)

// le is the byte order of our own connections.
var le = binary.LittleEndian

// client is a connection of our own to a display, with one request at a time.
type client struct {
	display  Display
	conn     net.Conn
	greeting []byte // the display's whole answer to the setup packet
	seq      uint16 // of the last request
}

// dialClient connects to d and shows it auth. Where d says no, the error has a
// refusedError in it.
func dialClient(ctx context.Context, d Display, auth Auth) (*client, error) {
	conn, err := d.Dial(ctx)
	if err != nil {
		return nil, err
	}
	c := &client{display: d, conn: conn}
	if err := c.greet(ctx, auth); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *client) close() { c.conn.Close() }

// greet sends the setup packet and reads all of the answer.
func (c *client) greet(ctx context.Context, auth Auth) error {
	s := newSetup()
	a, err := ask(ctx, c.display, c.conn, s, auth)
	if err != nil {
		return err
	}
	c.greeting = append(a[:], make([]byte, a.bodySize(s.order()))...)
	return c.read(ctx, c.greeting[answerHead:])
}

// read fills p, or fails when ctx ends.
func (c *client) read(ctx context.Context, p []byte) error {
	release := bound(ctx, c.conn)
	_, err := io.ReadFull(c.conn, p)
	release()
	return c.explain(ctx, err)
}

// send writes a request, whose length it fills in.
func (c *client) send(ctx context.Context, request []byte) error {
	le.PutUint16(request[2:], uint16(len(request)/4))
	c.seq++
	release := bound(ctx, c.conn)
	_, err := c.conn.Write(request)
	release()
	return c.explain(ctx, err)
}

// call sends a request and returns its reply, of messageSize bytes at least.
// Events that come before it are dropped.
func (c *client) call(ctx context.Context, request []byte) ([]byte, error) {
	if err := c.send(ctx, request); err != nil {
		return nil, err
	}
	release := bound(ctx, c.conn)
	defer release()
	for {
		m, err := readMessage(c.conn)
		switch {
		case err != nil:
			return nil, c.explain(ctx, err)
		case m[0] == isError:
			return nil, displayError(c.display, "request %d: error %d", request[0], m[1])
		case m[0] == isReply && le.Uint16(m[2:]) != c.seq:
			return nil, displayError(c.display, "%w", errUnasked)
		case m[0] == isReply:
			return m, nil
		}
	}
}

// explain gives err its code, and ctx's reason where that is behind it.
func (c *client) explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return displayError(c.display, "%w", context.Cause(ctx))
	}
	return displayError(c.display, "the connection broke: %w", err)
}

// readMessage reads one message.
func readMessage(r io.Reader) ([]byte, error) {
	m := make([]byte, messageSize)
	if _, err := io.ReadFull(r, m); err != nil {
		return nil, err
	}
	if m[0] != isReply && m[0]&0x7f != isGenericEvent {
		return m, nil
	}
	units := le.Uint32(m[4:])
	if units > messageLimit/4 {
		return nil, fmt.Errorf("a message of %d times 4 bytes", units)
	}
	m = append(m, make([]byte, units*4)...)
	if _, err := io.ReadFull(r, m[messageSize:]); err != nil {
		return nil, unexpected(err)
	}
	return m, nil
}
