package x11

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jezek/xgb"
)

// vetted is a display's connection as xgb gets to see it. xgb believes what a
// display sends: a reply of a false length ends its goroutine, and with it the
// process, and one that nobody asked for leaves its goroutines behind. So it
// sees whole messages of bounded length, and of the replies only the next one
// that it waits for. The cookie is none of its business: it sees the greeting
// of a display that let us in.
type vetted struct {
	net.Conn
	greeted  bool          // xgb has sent its setup packet
	asked    atomic.Uint32 // requests so far
	answered uint32
	unread   []byte // of what it gets to see

	mu   sync.Mutex // guards what follows
	lost error      // why nothing more comes
}

var errUnasked = errors.New("a reply to nothing")

func newVetted(c *client) *vetted { return &vetted{Conn: c.conn, unread: c.greeting} }

// Write sends a request; xgb writes each at once. Its setup packet is not sent.
func (v *vetted) Write(p []byte) (int, error) {
	if !v.greeted {
		v.greeted = true
		return len(p), nil
	}
	v.asked.Add(1)
	return v.Conn.Write(p)
}

// Read reads what xgb may see.
func (v *vetted) Read(p []byte) (int, error) {
	if len(v.unread) == 0 {
		if err := v.next(); err != nil {
			v.mu.Lock()
			v.lost = err
			v.mu.Unlock()
			return 0, err
		}
	}
	n := copy(p, v.unread)
	v.unread = v.unread[n:]
	return n, nil
}

// next takes the next reply. Events are dropped.
func (v *vetted) next() error {
	for {
		m, err := readMessage(v.Conn)
		switch {
		case err != nil:
			return err
		case m[0] == isError:
			return fmt.Errorf("error %d", m[1])
		case m[0] == isReply && (v.answered == v.asked.Load() || uint32(le.Uint16(m[2:])) != v.answered+1):
			return errUnasked
		case m[0] == isReply:
			v.answered++
			v.unread = m
			return nil
		}
	}
}

// vettedConn is xgb on a vetted connection.
type vettedConn struct {
	*xgb.Conn
	wire *vetted
}

var quiet sync.Once

// connect hands the connection to xgb. Its log would go to standard error; its
// errors are ours.
func (v *vetted) connect() (*vettedConn, error) {
	quiet.Do(func() { xgb.Logger.SetOutput(io.Discard) })
	// Any cookie will do, and without one xgb looks into the environment.
	x, err := xgb.NewConnNetWithCookieHex(v, strings.Repeat("00", 16))
	if err != nil {
		return nil, err
	}
	return &vettedConn{x, v}, nil
}

// why is the reason behind an error of xgb's, which does not tell it.
func (x *vettedConn) why(err error) error {
	x.wire.mu.Lock()
	defer x.wire.mu.Unlock()
	return errors.Join(x.wire.lost, err)
}

// end closes the connection and waits for xgb's reader.
func (x *vettedConn) end() {
	x.wire.Conn.Close()
	for {
		if e, err := x.WaitForEvent(); e == nil && err == nil {
			return
		}
	}
}
