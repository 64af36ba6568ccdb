//go:build unix

// Package handover lets the next process of a service listen where this one
// does, with nobody refused in between.
//
// The service manager keeps a copy of every listening socket (systemd's file
// descriptor store, sd_pid_notify_with_fds(3)) and gives them to the next
// process. Clients that connect meanwhile wait in the kernel. A [Store] hands
// out a socket that came this way before it opens a new one, matched by the
// address that it is bound to.
package handover

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
)

// Store is the listening sockets of a service. Its exported fields are set
// before the first call.
type Store struct {
	// Send tells the service manager something, with files.
	Send func(state string, files ...*os.File) error
	// Leaving reports that the process is about to end: what is closed from then
	// on is for the next one.
	Leaving func() bool
	// Trouble, if not nil, hears why the service manager has no copy of a socket.
	Trouble func(error)

	mu        sync.Mutex // guards what follows
	inherited map[netip.AddrPort]*net.TCPListener
}

// Inherit takes the files that the service manager gave to this process. Those
// that are no listening TCP sockets are closed.
func (s *Store) Inherit(files []*os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inherited = map[netip.AddrPort]*net.TCPListener{}
	for _, f := range files {
		ln, err := net.FileListener(f) // a copy
		_ = f.Close()                  // nothing was written to it
		if err != nil {
			continue
		}
		tcp, ok := ln.(*net.TCPListener)
		if !ok {
			_ = ln.Close()
			continue
		}
		s.inherited[boundTo(tcp)] = tcp
	}
}

// Listen is [net.ListenConfig.Listen] with a socket that was inherited, where
// there is one. A port that the system chose, and an address by name, are not
// for the next process, nor is one that the service manager does not take.
func (s *Store) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	at, err := netip.ParseAddrPort(address)
	if lasting := err == nil && at.Port() != 0; !lasting {
		return new(net.ListenConfig).Listen(ctx, network, address)
	}
	if ln := s.take(at); ln != nil {
		return &kept{ln, s}, nil
	}
	ln, err := new(net.ListenConfig).Listen(ctx, network, address)
	if err != nil {
		return nil, err
	}
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return ln, nil
	}
	if err := s.keep(tcp); err != nil {
		s.complain(fmt.Errorf("keep the socket of %s: %w", address, err))
		return ln, nil
	}
	return &kept{tcp, s}, nil
}

// Settle gives up what was inherited and nobody has asked for.
func (s *Store) Settle() {
	s.mu.Lock()
	left := s.inherited
	s.inherited = nil
	s.mu.Unlock()
	for _, ln := range left {
		_ = (&kept{ln, s}).Close()
	}
}

func (s *Store) take(at netip.AddrPort) *net.TCPListener {
	s.mu.Lock()
	defer s.mu.Unlock()
	ln := s.inherited[at]
	delete(s.inherited, at)
	return ln
}

// keep gives the service manager a copy.
func (s *Store) keep(ln *net.TCPListener) error {
	f, err := ln.File()
	if err != nil {
		return err
	}
	defer f.Close()
	return s.Send("FDSTORE=1\nFDNAME="+nameOf(ln), f)
}

func (s *Store) complain(err error) {
	if s.Trouble != nil {
		s.Trouble(err)
	}
}

// kept is a listener of which the service manager has a copy.
type kept struct {
	*net.TCPListener
	store *Store
}

// Close closes the socket, and the copy too unless the process is leaving.
func (k *kept) Close() error {
	if !k.store.Leaving() {
		k.stopListening() // whatever the manager does: the address is free at once
		_ = k.store.Send("FDSTOREREMOVE=1\nFDNAME=" + nameOf(k.TCPListener))
	}
	return k.TCPListener.Close()
}

// stopListening ends the socket in all its copies.
func (k *kept) stopListening() {
	if raw, err := k.SyscallConn(); err == nil {
		_ = raw.Control(shutDown)
	}
}

func shutDown(fd uintptr) { _ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) }

// boundTo is where ln listens.
func boundTo(ln *net.TCPListener) netip.AddrPort {
	addr, _ := ln.Addr().(*net.TCPAddr) // of every TCPListener
	at := addr.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

// nameOf is how the service manager knows ln; a colon may not be in it.
func nameOf(ln *net.TCPListener) string { return strings.ReplaceAll(boundTo(ln).String(), ":", "_") }
