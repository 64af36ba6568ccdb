package forward

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"tunneld/fault"
)

const (
	// probeTime bounds how long a probe waits for its own connection, and how
	// long any other waits for a probe.
	probeTime = 2 * time.Second

	tokenSize = 32
	tokenSure = 8 // so many bytes of a token in a row are no coincidence
)

// probing is what a Forward knows of its probes.
type probing struct {
	token []byte        // what they send; nil before the first
	found chan struct{} // of the one under way, whose connection came; holds one
	over  chan struct{} // closed at its end; nil while there is none
}

// Probe proves that what connects to the listener arrives here: dial connects
// to it, by whatever way leads back to it, and that connection has to come
// within 2 s. It is known by 32 random bytes that it sends, is closed, and is
// neither counted nor relayed; where it has a method Disregard(), that is called,
// since it is nobody's. Others that come meanwhile wait for their first byte or the
// end of the probe. Only one probe may be under way. Its errors are dial's,
// ctx's, and fault.ProbeFailed.
func (f *Forward) Probe(ctx context.Context, dial func(ctx context.Context) (net.Conn, error)) error {
	p := f.beginProbe()
	defer f.endProbe()
	conn, err := dial(ctx)
	if err != nil {
		return err
	}
	defer shut(conn)
	if _, err := conn.Write(p.token); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	select {
	case <-p.found:
		return nil
	case <-f.after(probeTime):
		return fault.New(fault.ProbeFailed, fault.Forward, "%s: a connection to it did not arrive here within %s", conn.RemoteAddr(), probeTime)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *Forward) beginProbe() probing {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := &f.probing
	if p.token == nil {
		p.token = make([]byte, tokenSize)
		rand.Read(p.token) // never fails
	}
	p.found, p.over = make(chan struct{}, 1), make(chan struct{})
	return *p
}

func (f *Forward) endProbe() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.probing.over)
	f.probing.over = nil
}

// handOn begins the life of an accepted connection. One that comes during a
// probe is counted when it is known to be no probe's.
func (f *Forward) handOn(ctx context.Context, accepted net.Conn) {
	f.mu.Lock()
	p := f.probing
	f.mu.Unlock()
	f.conns.Add(1)
	if p.token == nil {
		go f.relay(ctx, accepted, f.admit())
		return
	}
	s := &sifted{conn: accepted, token: p.token, known: make(chan struct{})}
	client := &greeted{accepted, s}
	if p.over == nil {
		go f.relay(ctx, client, f.admit())
		return
	}
	f.conns.Go(s.look)
	go f.sift(ctx, client, s, p)
}

// sift keeps a probe's own connection from being relayed.
func (f *Forward) sift(ctx context.Context, client net.Conn, s *sifted, p probing) {
	select {
	case <-s.known:
	case <-p.over:
	case <-f.after(probeTime):
	case <-ctx.Done():
	}
	if !s.isToken() {
		f.relay(ctx, client, f.admit())
		return
	}
	defer f.conns.Done()
	if d, ok := s.conn.(interface{ Disregard() }); ok {
		d.Disregard()
	}
	shut(s.conn)
	select {
	case p.found <- struct{}{}:
	default:
	}
}

// errProbe ends a probe's connection that came too late to be told apart.
var errProbe = errors.New("a probe's connection")

// sifted reads a connection whose first bytes are looked at, at the first Read
// at the latest: a probe's bytes go no further.
type sifted struct {
	conn  net.Conn
	token []byte
	once  sync.Once
	known chan struct{} // closed when the first bytes are known, if look was called

	// What follows is set once.
	probe bool
	rest  []byte // of the first bytes; belongs to Read
	err   error
}

// look reads the first bytes before anybody else wants them.
func (s *sifted) look() {
	defer close(s.known)
	s.once.Do(s.fill)
}

func (s *sifted) fill() {
	defer fault.Recover(&s.err)
	first := make([]byte, len(s.token))
	n, err := s.conn.Read(first)
	s.rest, s.err = first[:n], err
	s.probe = n >= tokenSure && bytes.HasPrefix(s.token, first[:n])
}

// isToken reports whether the first bytes are known, and a probe's.
func (s *sifted) isToken() bool {
	select {
	case <-s.known:
		return s.probe
	default:
		return false
	}
}

// Read implements io.Reader.
func (s *sifted) Read(p []byte) (int, error) {
	s.once.Do(s.fill)
	switch {
	case s.probe:
		return 0, errProbe
	case len(s.rest) > 0:
		n := copy(p, s.rest)
		s.rest = s.rest[n:]
		return n, nil
	case s.err != nil:
		return 0, s.err
	}
	return s.conn.Read(p)
}
