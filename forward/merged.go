package forward

import (
	"errors"
	"net"
	"sync"
)

// merged is one listener made of several.
type merged struct {
	parts    []net.Listener
	accepted chan accepted
	closed   chan struct{}
	close    func() error
	pumps    sync.WaitGroup
}

type accepted struct {
	conn net.Conn
	err  error
}

// merge owns parts from here on. A single one is as good alone.
func merge(parts ...net.Listener) net.Listener {
	if len(parts) == 1 {
		return parts[0]
	}
	m := &merged{parts: parts, accepted: make(chan accepted), closed: make(chan struct{})}
	m.close = sync.OnceValue(m.closeParts)
	for _, ln := range parts {
		m.pumps.Add(1)
		go m.pump(ln)
	}
	return m
}

// pump hands on what ln accepts, errors too, one at a time: a part that fails
// for good repeats its error no faster than Accept is called. The end of one
// part that Close brings is not yet that of all.
func (m *merged) pump(ln net.Listener) {
	defer m.pumps.Done()
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		select {
		case m.accepted <- accepted{conn, err}:
		case <-m.closed:
			if conn != nil {
				shut(conn)
			}
			return
		}
	}
}

// Accept returns the next connection or error of any part.
func (m *merged) Accept() (net.Conn, error) {
	select {
	case a := <-m.accepted:
		return a.conn, a.err
	case <-m.closed:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: m.Addr(), Err: net.ErrClosed}
	}
}

// Close closes every part and returns when nothing of the listener runs.
func (m *merged) Close() error { return m.close() }

// closeParts lets Accept go on until the last part is closed, so that it gets
// what was accepted before.
func (m *merged) closeParts() (err error) {
	for _, ln := range m.parts {
		if e := ln.Close(); err == nil {
			err = e
		}
	}
	close(m.closed)
	m.pumps.Wait()
	return err
}

// Addr returns the first part's address.
func (m *merged) Addr() net.Addr { return m.parts[0].Addr() }

// Addrs returns every part's address.
func (m *merged) Addrs() []net.Addr {
	addrs := make([]net.Addr, len(m.parts))
	for i, ln := range m.parts {
		addrs[i] = ln.Addr()
	}
	return addrs
}
