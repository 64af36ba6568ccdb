// Package shell runs programs on a server: with or without a terminal, one per
// session channel (RFC 4254 section 6).
//
// [Start] makes a [Session] of a channel and a [Spec]. Its Stdin, Stdout and
// Stderr are streams with the server's flow control: what is not read makes the
// program wait. Wait returns how it ended, as an [Exit]: a program that failed
// is no error of the session.
//
// The pure parts need no channel: [Line] and [Quote] make command lines,
// [EncodeModes] and [DecodeModes] are the modes of a terminal on the wire,
// [ParseSignal] and [Number] know the names of signals.
package shell

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
)

// Session is a program that runs on the server. Resize, Signal and Close may be
// called at any time; each stream is for one goroutine.
type Session struct {
	Stdin  io.WriteCloser // Close sends EOF
	Stdout io.Reader
	Stderr io.Reader // has nothing when there is a terminal

	channel ssh.Channel
	over    chan struct{} // closed when the server's requests are over
	exit    *Exit         // set before over is closed
	why     error         // why there is no exit; set before over is closed
	once    sync.Once
}

// ErrNoExit is the error of a session that ended without saying how, such as
// that of a process that the server lost.
var ErrNoExit = errors.New("the session ended without an exit status")

// Start asks for what spec says and starts the program, within spec.Timeout. It
// owns the channel: Session.Close closes it, and so does an error. Errors have
// the codes pty_denied, x11_server_refused and session_denied, or are the
// connection's.
//
// Close of the channel must end its calls and its requests, as that of
// link.Session does. A channel of x/crypto's does so when the server answers.
func Start(ctx context.Context, channel ssh.Channel, requests <-chan *ssh.Request, spec Spec) (*Session, error) {
	s := &Session{
		Stdin: stdin{channel}, Stdout: channel, Stderr: channel.Stderr(),
		channel: channel, over: make(chan struct{}),
	}
	go s.watch(requests)
	if err := s.start(ctx, spec); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// start makes the requests in their order, within the time.
func (s *Session) start(ctx context.Context, spec Spec) error {
	ctx, cancel := context.WithTimeoutCause(ctx, spec.timeout(), errSlow)
	defer cancel()
	stop := context.AfterFunc(ctx, s.end)
	defer stop()
	for _, r := range spec.requests() {
		if err := s.ask(r); err != nil {
			return cmp.Or(late(ctx, r, spec.timeout()), err)
		}
	}
	if !stop() {
		return context.Cause(ctx)
	}
	return nil
}

// late is the reason why ctx ended before a request was answered, or nil.
func late(ctx context.Context, r request, limit time.Duration) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, errSlow) {
		return fault.New(fault.SessionDenied, fault.Session, "the server did not answer %s within %s", r.name, limit).
			WithHint("the server may be overloaded: try again")
	}
	return cause
}

func (s *Session) ask(r request) error {
	ok, err := s.channel.SendRequest(r.name, r.refused != nil, r.payload)
	switch {
	case errors.Is(err, io.EOF):
		return fault.New(fault.SessionDenied, fault.Session, "the server ended the session at %s", r.name).
			WithHint("the server's log may say why")
	case err != nil:
		return fmt.Errorf("%s: %w", r.name, err)
	case !ok:
		return r.refused
	default:
		return nil
	}
}

// watch hears how the program ends. Everything else that a server may ask of a
// session is refused.
func (s *Session) watch(requests <-chan *ssh.Request) {
	defer close(s.over)
	for r := range requests {
		exit, err := parseExit(r)
		if err == nil {
			s.exit = &exit
		}
		r.Reply(err == nil, nil)
	}
	// Nobody reads the input any more; a connection that died says so here.
	s.why = s.channel.CloseWrite()
	if s.why == nil || errors.Is(s.why, io.EOF) {
		s.why = ErrNoExit
	}
}

// Wait returns how the program ended, once the server has ended the session:
// that is when all processes have closed its streams. What was not read of
// Stdout and Stderr can still be read. The error is the connection's, ErrNoExit
// or that of ctx; where the connection died after the program, only the streams
// tell.
func (s *Session) Wait(ctx context.Context) (Exit, error) {
	select {
	case <-s.over:
	case <-ctx.Done():
		return Exit{}, context.Cause(ctx)
	}
	if s.exit == nil {
		return Exit{}, s.why
	}
	return *s.exit, nil
}

// Resize says that the terminal has another size (RFC 4254 section 6.7).
func (s *Session) Resize(size Size) error {
	_, err := s.channel.SendRequest("window-change", false, ssh.Marshal(size))
	return err
}

// Signal sends a signal to the program (RFC 4254 section 6.9). Servers may
// ignore it; OpenSSH's does under ForceCommand, and where root logs in.
func (s *Session) Signal(sig ssh.Signal) error {
	_, err := s.channel.SendRequest("signal", false, ssh.Marshal(struct{ Name string }{string(sig)}))
	return err
}

// Close ends the session; what was not read is lost. A program without a
// terminal goes on at the server until it uses its streams: send it a signal
// first where it must not.
func (s *Session) Close() error {
	s.end()
	<-s.over
	return nil
}

func (s *Session) end() {
	s.once.Do(func() { s.channel.Close() })
}

// stdin is a channel whose Close ends one direction only.
type stdin struct{ channel ssh.Channel }

func (s stdin) Write(p []byte) (int, error) { return s.channel.Write(p) }
func (s stdin) Close() error                { return s.channel.CloseWrite() }
