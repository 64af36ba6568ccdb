package sshserver

import (
	"slices"

	"golang.org/x/crypto/ssh"
)

// Attempt is one try of a client to authenticate (RFC 4252).
type Attempt struct {
	User        string
	Method      string // "none" is the question which methods there are
	Fingerprint string // SHA256:... of the key, for publickey
	Err         error  // why it was rejected, nil when it was accepted
}

// Opened is one channel that a client asked for.
type Opened struct {
	Type   string
	Target string // host:port of direct-tcpip, as the client wrote it
	Origin string // host:port from where the client says the connection came
}

// Attempts returns every try to authenticate so far, oldest first. None at all
// means that not one byte of authentication reached the server.
func (s *Server) Attempts() []Attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.attempts)
}

// Opened returns every channel that was asked for so far, granted or not,
// oldest first.
func (s *Server) Opened() []Opened {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.opened)
}

// Connections returns the number of live connections, authenticated or not.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Forwards returns the addresses that are bound for remote forwards now, in
// order.
func (s *Server) Forwards() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var addrs []string
	for addr := range s.forwards {
		addrs = append(addrs, addr)
	}
	slices.Sort(addrs)
	return addrs
}

func (s *Server) record(a Attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts = append(s.attempts, a)
}

func (s *Server) recordOpen(channel ssh.NewChannel) {
	o := Opened{Type: channel.ChannelType()}
	if o.Type == "direct-tcpip" {
		if d, err := parseDirect(channel.ExtraData()); err == nil {
			o.Target, o.Origin = d.target(), d.origin()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = append(s.opened, o)
}

func (s *Server) recordForward(addr string, bound bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !bound {
		delete(s.forwards, addr)
		return
	}
	if s.forwards == nil {
		s.forwards = map[string]bool{}
	}
	s.forwards[addr] = true
}
