package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// Session opens a session channel (RFC 4254 section 6.1), and waits for the
// link as Dial does. A refusal has the code session_denied.
//
// The channel differs from x/crypto's in two ways. Close releases at once
// whoever reads, writes or awaits a reply; x/crypto's does only when the server
// closes too, which sshd does when the process ends. And when the connection
// dies, its methods return the link's reason in place of io.EOF, once that has
// come; output that was not read yet is lost. One goroutine may read from each
// of the channel and its Stderr, and one write.
//
// The requests must be read until they end, with the channel or with Close.
func (l *Link) Session(ctx context.Context, hold time.Duration) (ssh.Channel, <-chan *ssh.Request, error) {
	var s *session
	err := l.onLive(ctx, hold, "session", func(c *conn) (err error) {
		if s, err = c.session(ctx); err == nil {
			s.use = l.use()
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return s, s.requests, nil
}

// session is a session channel whose streams are pipes, each served by a
// goroutine of the connection: what x/crypto blocks in can be left behind
// there, and ends with the channel or the connection.
type session struct {
	ssh.Channel
	conn     *conn
	use      *use // of the link
	requests chan *ssh.Request

	inReader, outReader, errReader *io.PipeReader
	inWriter, outWriter, errWriter *io.PipeWriter

	open   context.Context // until Close
	close  context.CancelFunc
	once   sync.Once
	passed chan struct{} // closed when the server's requests are over
	ended  bool          // the server ended the channel, before the connection died; set before passed
}

func (c *conn) session(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	ch, requests, err := c.open(ctx, "session", nil)
	if err != nil {
		return nil, sessionError(ctx, err)
	}
	s := &session{Channel: ch, conn: c, requests: make(chan *ssh.Request), passed: make(chan struct{})}
	s.open, s.close = context.WithCancel(context.Background())
	s.inReader, s.inWriter = io.Pipe()
	s.outReader, s.outWriter = io.Pipe()
	s.errReader, s.errWriter = io.Pipe()
	if !c.spawn(func() { s.pass(requests) }) {
		s.close()
		return nil, c.why
	}
	c.spawn(s.feed)
	c.spawn(func() { s.drain(s.outWriter, ch) })
	c.spawn(func() { s.drain(s.errWriter, ch.Stderr()) })
	return s, nil
}

// sessionError names the reason why the server opened no session.
func sessionError(ctx context.Context, err error) error {
	var refusal *ssh.OpenChannelError
	switch {
	case fault.As(err) != nil:
		return err
	case errors.As(err, &refusal):
		return fault.New(fault.SessionDenied, fault.Session, "the server opens no session: %s", fault.Clean(refusal.Message))
	case ctx.Err() == context.DeadlineExceeded:
		return fault.New(fault.SessionDenied, fault.Session, "the server did not open a session within %s", openTimeout)
	default:
		return fmt.Errorf("session: %w", err)
	}
}

// pass serves the server's requests, and releases the streams at their end, which
// is told only then: whoever hears of it finds the reason in the streams.
func (s *session) pass(requests <-chan *ssh.Request) {
	s.ended = s.handOn(requests)
	close(s.passed)
	if s.ended {
		s.inReader.CloseWithError(io.ErrClosedPipe)
		close(s.requests)
		s.awaitRelease()
		return
	}
	s.awaitRelease()
	close(s.requests)
	ssh.DiscardRequests(requests)
}

func (s *session) awaitRelease() {
	select {
	case <-s.open.Done():
	case <-s.conn.dead:
		s.release(s.conn.why)
	}
}

// handOn reports whether the server ended the channel, before Close and before
// the connection died: that ends it too, and may be seen only later.
func (s *session) handOn(requests <-chan *ssh.Request) bool {
	exited := false // told how: only then a server closes
	for {
		var r *ssh.Request
		var more bool
		select {
		case r, more = <-requests:
		case <-s.open.Done():
			return false
		}
		switch {
		case !more:
			return !s.conn.isDead() && (exited || s.conn.survives(s.open)) && s.open.Err() == nil
		case r.Type == endOfWrite:
			s.inReader.CloseWithError(io.ErrClosedPipe)
			continue
		}
		exited = exited || strings.HasPrefix(r.Type, "exit-")
		select {
		case s.requests <- r:
		case <-s.open.Done():
			r.Reply(false, nil)
		case <-s.conn.dead:
		}
	}
}

// survives reports whether the connection lives, or is about to be seen dead.
// It costs a round trip.
func (c *conn) survives(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if _, _, err := c.request(ctx, "keepalive@openssh.com", nil, nil); err != nil {
		select {
		case <-c.dead:
		case <-ctx.Done():
		}
	}
	return !c.isDead()
}

// endOfWrite says that the server's process reads no more: OpenSSH's PROTOCOL
// page, section 2.1.
const endOfWrite = "eow@openssh.com"

// feed sends what is written, and EOF after it. Where it cannot, the channel is
// over, and pass tells the writer why.
func (s *session) feed() {
	if _, err := io.Copy(s.Channel, s.inReader); err == nil {
		s.Channel.CloseWrite()
	}
}

// drain takes what the server sends on one stream until it ends; from Close on
// nobody wants it any more.
func (s *session) drain(to *io.PipeWriter, from io.Reader) {
	if err := pour(to, from); err != nil {
		io.Copy(io.Discard, from)
		return
	}
	to.CloseWithError(s.lost())
}

// The sizes of a stream's buffer: a quiet one's, and that of one which is busy,
// since each piece wakes those who pass it on.
const quietBuffer, busyBuffer = 8 << 10, 128 << 10

// pour copies until from ends. The buffer grows once there is as much as it holds.
func pour(to io.Writer, from io.Reader) error {
	buf := make([]byte, quietBuffer)
	for {
		n, end := from.Read(buf)
		if n > 0 { // a pipe waits for a reader of nothing, too
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case end == io.EOF:
			return nil
		case end != nil:
			return end
		case n == len(buf) && n < busyBuffer:
			buf = make([]byte, busyBuffer)
		}
	}
}

// lost is why the connection died before the server ended the channel, or nil.
func (s *session) lost() error {
	if !s.conn.isDead() {
		return nil
	}
	<-s.passed
	if s.ended {
		return nil
	}
	<-s.conn.dead
	return s.conn.why
}

// release ends the pipes for whoever uses them.
func (s *session) release(err error) {
	s.inReader.CloseWithError(err)
	s.outWriter.CloseWithError(err)
	s.errWriter.CloseWithError(err)
}

// Read reads standard output.
func (s *session) Read(p []byte) (int, error) { return s.outReader.Read(p) }

// Write writes standard input. What it returned for may still be on its way.
func (s *session) Write(p []byte) (int, error) { return s.inWriter.Write(p) }

// CloseWrite sends EOF after what was written, without waiting for that.
func (s *session) CloseWrite() error {
	if err := s.lost(); err != nil {
		return err // which a writer is about to get too
	}
	return s.inWriter.Close()
}

// Stderr returns standard error, for reading only.
func (s *session) Stderr() io.ReadWriter { return stderr{s.errReader} }

type stderr struct{ io.Reader }

func (stderr) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }

// SendRequest sends a channel request, and returns early at Close.
func (s *session) SendRequest(name string, wantReply bool, payload []byte) (bool, error) {
	answer := make(chan globalReply, 1)
	if !s.conn.spawn(func() { s.send(name, wantReply, payload, answer) }) {
		return false, s.conn.why
	}
	select {
	case r := <-answer:
		if r.err != nil {
			if err := s.lost(); err != nil {
				return false, err
			}
		}
		return r.ok, r.err
	case <-s.open.Done():
		return false, net.ErrClosed
	}
}

func (s *session) send(name string, wantReply bool, payload []byte, answer chan<- globalReply) {
	ok, err := s.Channel.SendRequest(name, wantReply, payload)
	answer <- globalReply{ok: ok, err: err}
}

// Close ends the session on our side, without waiting for the network.
func (s *session) Close() error {
	s.once.Do(func() {
		s.close()
		s.use.end()
		s.release(net.ErrClosed)
		s.conn.spawn(func() { s.Channel.Close() })
	})
	return nil
}
