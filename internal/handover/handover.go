//go:build unix

// Package handover lets the next process of a service listen where this one
// does, with nobody refused in between.
//
// The service manager keeps a copy of every listening socket (systemd's file
// descriptor store, sd_pid_notify_with_fds(3)) and gives them to the next
// process. Clients that connect meanwhile wait in the kernel. A [Store] hands
// out a socket that came this way before it opens a new one, matched by the
// address that it is bound to; where that is a path, the file must still be its
// own.
package handover

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
)

// StoreMax is how many sockets systemd keeps for tunneld: the units'
// FileDescriptorStoreMax. What is more it drops without a word.
const StoreMax = 4096

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

	copies atomic.Int64 // that the service manager has

	mu        sync.Mutex // guards what follows
	inherited map[place]*kept
}

// place is where a socket listens: an IP address and port, or a path.
type place string

// placeOf returns where address of network leads in the next process too; ""
// for a port that the system chooses, and a name.
func placeOf(network, address string) place {
	if network == "unix" {
		return place(address)
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil || at.Port() == 0 {
		return ""
	}
	return place(netip.AddrPortFrom(at.Addr().Unmap(), at.Port()).String())
}

// Inherit takes the files that the service manager gave to this process, under the
// names that it knows. Those that do not listen are closed.
func (s *Store) Inherit(files []*os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inherited = map[place]*kept{}
	for _, f := range files {
		ln, err := net.FileListener(f) // a copy
		_ = f.Close()                  // nothing was written to it
		if err != nil {
			continue
		}
		k := s.keeping(ln)
		if k == nil {
			_ = ln.Close()
			continue
		}
		k.name = f.Name()
		s.copies.Add(1)
		s.admit(k)
	}
}

// admit notes an inherited socket. Of two at one place, one is given up: clients
// that the kernel gives to it would wait for ever.
func (s *Store) admit(k *kept) {
	twin := s.inherited[k.at]
	if twin == nil {
		s.inherited[k.at] = k
		return
	}
	if !twin.reachable() {
		k, twin = twin, k
	}
	s.inherited[k.at] = twin
	k.giveUp()
	if k.name != twin.name {
		return
	}
	s.copies.Add(-1) // the twin's went with the name
	if err := twin.store(); err != nil {
		s.complain(fmt.Errorf("keep the socket of %s: %w", twin.at, err))
	}
}

// Listen is config.Listen with a socket that was inherited, where there is one.
// A port that the system chose, and an address by name, are not for the next
// process, nor is a socket that the service manager does not take.
func (s *Store) Listen(ctx context.Context, config *net.ListenConfig, network, address string) (net.Listener, error) {
	if k := s.take(placeOf(network, address)); k != nil {
		return k, nil
	}
	ln, err := config.Listen(ctx, network, address)
	if err != nil || placeOf(network, address) == "" {
		return ln, err
	}
	k := s.keeping(ln)
	if k == nil {
		return ln, nil
	}
	if err := k.store(); err != nil {
		s.complain(fmt.Errorf("keep the socket of %s: %w", address, err))
		return ln, nil
	}
	return k, nil
}

// Settle gives up what was inherited and nobody has asked for.
func (s *Store) Settle() {
	s.mu.Lock()
	left := s.inherited
	s.inherited = nil
	s.mu.Unlock()
	for _, k := range left {
		k.giveUp()
	}
}

// take returns the socket that was inherited for the place, or nil. One whose
// file is not there any more is none: nobody finds it.
func (s *Store) take(at place) *kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.inherited[at]
	delete(s.inherited, at)
	if k != nil && !k.reachable() {
		k.giveUp()
		return nil
	}
	return k
}

func (s *Store) complain(err error) {
	if s.Trouble != nil {
		s.Trouble(err)
	}
}
