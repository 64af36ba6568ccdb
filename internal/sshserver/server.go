package sshserver

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// handshakeTimeout ends a connection that has not authenticated by then, as
// sshd's LoginGraceTime does.
const handshakeTimeout = 2 * time.Minute

// Server is an SSH server. Its fields are set before Serve and not changed
// while it runs; host keys have a method for that.
type Server struct {
	// Address to listen on; empty means a free port of 127.0.0.1.
	Address string

	// Version is the identification string (RFC 4253 section 4.2); empty
	// means that of x/crypto/ssh.
	Version string

	// Config holds algorithms and limits on rekeying; zero means the defaults.
	Config ssh.Config

	// AuthorizedKeys are accepted for every user.
	AuthorizedKeys []ssh.PublicKey

	// MaxAuthTries is the number of failures that ends a connection; 0 means 6.
	MaxAuthTries int

	// Accepted sees a connection before anything is sent and returns the one
	// to serve: the same, one that wraps it, or nil when it has dealt with it.
	// nil means that connections are served as they come.
	Accepted func(net.Conn) net.Conn

	// Banner returns the text to send before authentication (RFC 4252
	// section 5.4), empty for none. nil means none.
	Banner func(user string) string

	// PublicKey decides about a key. nil means AuthorizedKeys.
	PublicKey func(user string, key ssh.PublicKey) error

	// Password decides about a password. nil means the method is not offered.
	Password func(user, password string) error

	// KeyboardInteractive asks its questions with ask, in as many rounds as it
	// likes (RFC 4256), and decides. nil means the method is not offered.
	KeyboardInteractive func(user string, ask ssh.KeyboardInteractiveChallenge) error

	// Authenticated sees each connection that has logged in, for channels and
	// requests in the other direction. nil means that nobody looks.
	Authenticated func(conn ssh.Conn)

	// Request sees each global request first; true means it has dealt with
	// it, reply included. nil means that none is touched.
	Request func(*ssh.Request) bool

	// Open sees each channel that a client asks for first; true means it has
	// accepted or rejected it. nil means that none is touched.
	Open func(ssh.NewChannel) bool

	// Session serves a session channel, from Accept to Close, and returns when
	// ctx ends. conn is for channels in the other direction (X11, agent). nil
	// means that sessions are refused.
	Session func(ctx context.Context, conn ssh.Conn, channel ssh.NewChannel)

	// Dial reaches the target of a direct-tcpip channel. nil means net.Dialer.
	Dial func(ctx context.Context, target string) (net.Conn, error)

	handlers sync.WaitGroup

	mu       sync.Mutex // guards what follows
	listener net.Listener
	addr     string
	hostKeys []ssh.Signer
	conns    map[net.Conn]bool
	attempts []Attempt
	opened   []Opened
	forwards map[string]bool
}

// Listen binds the address, and makes an Ed25519 host key when there is none.
// A server that has stopped listens on the same port again.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return errors.New("ssh server: it listens already")
	}
	if len(s.hostKeys) == 0 {
		key, err := throwAwayKey()
		if err != nil {
			return fmt.Errorf("ssh server: %w", err)
		}
		s.hostKeys = []ssh.Signer{key}
	}
	addr := s.addr
	if addr == "" {
		addr = s.Address
	}
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("ssh server: %w", err)
	}
	s.listener, s.addr = listener, listener.Addr().String()
	return nil
}

// Serve accepts connections until ctx ends, which is no error, or the listener
// fails. It calls Listen if nobody did, and returns only when every connection
// and everything started for one is over.
func (s *Server) Serve(ctx context.Context) error {
	listener := s.bound()
	if listener == nil {
		if err := s.Listen(); err != nil {
			return err
		}
		listener = s.bound()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	go s.accept(ctx, listener, failed)
	var err error
	select {
	case <-ctx.Done():
		listener.Close()
		<-failed
	case err = <-failed:
		listener.Close()
	}
	cancel()
	s.handlers.Wait()
	s.mu.Lock()
	s.listener = nil
	s.mu.Unlock()
	return err
}

// Addr returns the address that is listened on, empty before Listen.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// HostKeys returns the public host keys, none before Listen or SetHostKeys.
func (s *Server) HostKeys() []ssh.PublicKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []ssh.PublicKey
	for _, k := range s.hostKeys {
		keys = append(keys, k.PublicKey())
	}
	return keys
}

// SetHostKeys replaces the host keys, from the next connection on.
func (s *Server) SetHostKeys(keys ...ssh.Signer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hostKeys = keys
}

// KillConnections closes every live connection under its SSH layer, as a
// network that breaks does, and returns how many there were.
func (s *Server) KillConnections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		conn.Close()
	}
	return len(s.conns)
}

func (s *Server) bound() net.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listener
}

// accept hands every connection to a handler and sends the listener's error.
func (s *Server) accept(ctx context.Context, listener net.Listener, failed chan<- error) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			failed <- fmt.Errorf("ssh server: %w", err)
			return
		}
		s.handlers.Add(1)
		go s.handle(ctx, conn)
	}
}

// handle owns conn, from its first byte to the end of all it carried.
func (s *Server) handle(ctx context.Context, conn net.Conn) {
	defer s.handlers.Done()
	s.track(conn, true)
	defer s.track(conn, false)
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	served := conn
	if s.Accepted != nil {
		if served = s.Accepted(conn); served == nil {
			return
		}
	}
	conn.SetDeadline(time.Now().Add(handshakeTimeout))
	sshConn, channels, requests, err := ssh.NewServerConn(served, s.config())
	if err != nil {
		return // the client's affair: it was told, and Attempts has the rest
	}
	conn.SetDeadline(time.Time{})
	if s.Authenticated != nil {
		s.Authenticated(sshConn)
	}
	c := newConn(ctx, s, sshConn)
	c.serve(channels, requests)
}

func (s *Server) track(conn net.Conn, live bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !live {
		delete(s.conns, conn)
		return
	}
	if s.conns == nil {
		s.conns = map[net.Conn]bool{}
	}
	s.conns[conn] = true
}

func throwAwayKey() (ssh.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(key)
}
