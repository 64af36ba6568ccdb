package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"

	"tunneld/fault"
)

const (
	greeting  = 30 * time.Second // for a server's first answer
	farewell  = 2 * time.Second  // after the end of ctx, to tidy up
	lossLimit = 5                // sessions in a row that were lost before a byte was moved
)

// remote is the server, over one session after another.
type remote struct {
	open   func(ctx context.Context) (io.ReadWriteCloser, error)
	losses atomic.Int64 // since something was moved

	mu     sync.Mutex // guards what follows, and is held while a session is opened
	latest *session   // nil before the first
	live   bool       // the latest is not given up
	gone   error      // why there will be no other
}

// session is the latest one, for whoever is within copying.again.
func (r *remote) session() *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.latest
}

// session is one SFTP session.
type session struct {
	*sftp.Client
	line   *line
	packet int // the most that is read or written at once
	over   chan struct{}
	work   sync.WaitGroup
}

// line is a session's bytes. It remembers why they ended.
type line struct {
	io.ReadWriteCloser
	once sync.Once
	dead chan struct{} // closed when it is over
	why  error         // set before dead is closed
}

// end closes the line: where one direction broke, pkg/sftp waits for the other.
func (l *line) end(why error) {
	l.once.Do(func() {
		l.why = why
		close(l.dead)
		_ = l.ReadWriteCloser.Close() // it is broken, or no longer wanted
	})
}

func (l *line) Read(p []byte) (int, error) {
	n, err := l.ReadWriteCloser.Read(p)
	if errors.Is(err, io.EOF) {
		l.end(fault.New(fault.SessionDenied, fault.Session, "the server ended the SFTP session").WithHint("the server's log may say why"))
	} else if err != nil {
		l.end(err)
	}
	return n, err
}

func (l *line) Write(p []byte) (int, error) {
	n, err := l.ReadWriteCloser.Write(p)
	if err != nil {
		l.end(err)
	}
	return n, err
}

// Close ends the line on our side.
func (l *line) Close() error {
	l.end(net.ErrClosed)
	return nil
}

func (l *line) isDead() bool {
	select {
	case <-l.dead:
		return true
	default:
		return false
	}
}

// connect returns the session, which it opens unless there is one.
func (r *remote) connect(ctx context.Context) (*session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.live && r.gone == nil {
		r.gone = r.begin(ctx)
	}
	return r.latest, r.gone
}

// begin tries to open a session. The error is why it is of no use to try again.
func (r *remote) begin(ctx context.Context) error {
	stream, err := r.open(ctx)
	if err != nil {
		return err
	}
	s := &session{line: &line{ReadWriteCloser: stream, dead: make(chan struct{})}, over: make(chan struct{})}
	err = s.greet(ctx)
	switch {
	case err == nil:
		r.latest, r.live = s, true
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case r.latest == nil || !s.line.isDead():
		return err
	default:
		return r.count(s.line.why)
	}
}

// greet exchanges versions, within a time.
func (s *session) greet(ctx context.Context) (err error) {
	limited, cancel := context.WithTimeout(ctx, greeting)
	defer cancel()
	stop := context.AfterFunc(limited, func() { s.line.Close() })
	defer stop()
	err = s.introduce()
	switch {
	case err == nil:
		s.work.Go(func() { s.hangUp(ctx) })
		return nil
	case limited.Err() == context.DeadlineExceeded:
		return fault.New(fault.SessionDenied, fault.Session, "the server did not answer SFTP within %s", greeting)
	case s.line.isDead() && fault.As(s.line.why) != nil:
		return s.line.why
	}
	return fault.New(fault.SessionDenied, fault.Session, "what the server answers is not SFTP: %w", err).
		WithHint("what the account's shell prints when it starts, without a terminal, may be in the way")
}

// introduce exchanges versions.
func (s *session) introduce() error {
	size, version, err := askLimits(s.line)
	if err != nil {
		s.line.Close()
		return err
	}
	g := &greeted{line: s.line}
	g.version.Reset(version)
	s.packet = size
	s.Client, err = sftp.NewClientPipe(g, g,
		sftp.MaxPacketUnchecked(size), sftp.MaxConcurrentRequestsPerFile(window/size), sftp.UseConcurrentWrites(true), sftp.UseFstat(true))
	return err
}

// hangUp ends the session when ctx ends, after a moment in which temporary files
// can be removed.
func (s *session) hangUp(ctx context.Context) {
	select {
	case <-s.over:
		return
	case <-ctx.Done():
	}
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-s.over:
	case <-timer.C:
		s.line.Close()
	}
}

func (s *session) end() {
	s.line.Close() // first: a write that waits holds the client's lock
	_ = s.Client.Close()
	close(s.over)
	s.work.Wait()
}

// lose gives up a session that was lost, unless somebody else did. The error is why
// it is of no use to open another.
func (r *remote) lose(s *session) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live && r.latest == s {
		r.live = false
		s.end()
		r.gone = r.count(s.line.why)
	}
	return r.gone
}

func (r *remote) count(why error) error {
	if n := r.losses.Add(1); n >= lossLimit {
		return fmt.Errorf("lost %d sessions in a row: %w", n, why)
	}
	return nil
}

func (r *remote) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live {
		r.live = false
		r.latest.end()
	}
}
