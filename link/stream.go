package link

import (
	"errors"
	"io"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
)

// stream is an SSH channel as a net.Conn with CloseWrite. Deadlines are not
// supported: close it to stop it.
type stream struct {
	ssh.Channel
	conn          *conn
	use           *use // of the link; nil where it does not count as one
	local, remote net.Addr
}

// newStream drains the channel's requests for as long as it lives.
func (c *conn) newStream(ch ssh.Channel, requests <-chan *ssh.Request, local, remote net.Addr) *stream {
	c.spawn(func() { ssh.DiscardRequests(requests) })
	return &stream{Channel: ch, conn: c, local: local, remote: remote}
}

// Read tells a stream that ended from one that broke, with the reason: x/crypto
// reports both as io.EOF, and a truncated stream must not look complete.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.Channel.Read(p)
	if errors.Is(err, io.EOF) && s.conn.isDead() {
		<-s.conn.dead
		err = s.conn.why
	}
	return n, err
}

// Close closes the channel, without waiting for the network, and ends its use of
// the link. Who reads or writes is released only when the server closes it too,
// which sshd does once its own end has taken all: see Adopt.
func (s *stream) Close() error {
	if s.use != nil {
		s.use.end()
	}
	s.conn.spawn(func() { s.Channel.Close() })
	return nil
}

// Adopt has the connection wait until over is closed by one who is stuck in the
// stream, which the connection's end releases. It reports false after that end.
func (s *stream) Adopt(over <-chan struct{}) bool { return s.conn.spawn(func() { <-over }) }

// Disregard makes the stream count as no use of the link, not even as one that
// has just ended.
func (s *stream) Disregard() { s.use.disregard() }

func (s *stream) LocalAddr() net.Addr  { return s.local }
func (s *stream) RemoteAddr() net.Addr { return s.remote }

var errNoDeadline = errors.New("ssh channels have no deadlines")

func (s *stream) SetDeadline(time.Time) error      { return errNoDeadline }
func (s *stream) SetReadDeadline(time.Time) error  { return errNoDeadline }
func (s *stream) SetWriteDeadline(time.Time) error { return errNoDeadline }

// hostAddr is an address whose host is a name, as the server sees it.
type hostAddr string

func (hostAddr) Network() string  { return "tcp" }
func (a hostAddr) String() string { return string(a) }
