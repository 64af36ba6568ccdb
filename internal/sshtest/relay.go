package sshtest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Relay is a TCP line to a server that can be broken in all the ways a network
// breaks. It starts out perfect.
type Relay struct {
	Addr string

	t      testing.TB
	target string
	wires  sync.WaitGroup // the accept loop and every wire

	mu       sync.Mutex
	listener net.Listener // nil while it refuses
	live     map[*wire]bool
	accepted int
	up, down int64
	delay    time.Duration
	quota    int64         // bytes left before everything is cut; -1 is no end
	cutting  bool          // the quota is spent, the cut is under way
	thawed   chan struct{} // closed while bytes may flow
	closed   bool
}

// NewRelay starts a relay on loopback to target.
func NewRelay(t testing.TB, target string) *Relay {
	t.Helper()
	r := &Relay{t: t, target: target, live: map[*wire]bool{}, quota: -1, thawed: make(chan struct{})}
	close(r.thawed)
	r.listen("127.0.0.1:0")
	r.Addr = r.listener.Addr().String()
	t.Cleanup(r.close)
	return r
}

// Cut resets every connection (TCP RST) and returns how many there were. It
// ends a CutAfter that is still to come.
func (r *Relay) Cut() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quota, r.cutting = -1, false
	for w := range r.live {
		w.reset()
	}
	return len(r.live)
}

// CutAfter does Cut once n more bytes have passed, both ways together. The
// byte after them is never delivered.
func (r *Relay) CutAfter(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quota = n
}

// Freeze holds every byte and every EOF, both ways, on old and new connections,
// and keeps their sockets open: a cable that was pulled.
func (r *Relay) Freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isThawed() {
		r.thawed = make(chan struct{})
	}
}

// Thaw lets bytes flow again, those first that were held.
func (r *Relay) Thaw() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.isThawed() {
		close(r.thawed)
	}
}

// Refuse makes new connections fail (connection refused) or, with false, work
// again, on the same port. Those that are open stay.
func (r *Relay) Refuse(on bool) {
	r.t.Helper()
	r.mu.Lock()
	listener := r.listener
	if on {
		r.listener = nil
	}
	r.mu.Unlock()
	switch {
	case on && listener != nil:
		listener.Close()
	case !on && listener == nil:
		r.listen(r.Addr)
	}
}

// Delay holds every byte that arrives from now on for d, each way, and keeps
// order and throughput: a round trip takes 2d more.
func (r *Relay) Delay(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delay = d
}

// Active returns the number of open connections.
func (r *Relay) Active() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.live)
}

// Accepted returns the number of connections so far.
func (r *Relay) Accepted() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.accepted
}

// Bytes returns how many bytes were delivered to the server and to clients.
func (r *Relay) Bytes() (up, down int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.up, r.down
}

func (r *Relay) isThawed() bool {
	select {
	case <-r.thawed:
		return true
	default:
		return false
	}
}

func (r *Relay) listen(addr string) {
	r.t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.listener = listener
	r.mu.Unlock()
	r.wires.Add(1)
	go r.accept(listener)
}

func (r *Relay) accept(listener net.Listener) {
	defer r.wires.Done()
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		r.wires.Add(1)
		go r.connect(client.(*net.TCPConn))
	}
}

// connect runs one wire to its end.
func (r *Relay) connect(client *net.TCPConn) {
	defer r.wires.Done()
	server, err := net.Dial("tcp", r.target)
	if err != nil {
		client.SetLinger(0)
		client.Close()
		return
	}
	w := &wire{relay: r, client: client, server: server.(*net.TCPConn), over: make(chan struct{})}
	r.mu.Lock()
	r.accepted++
	r.live[w] = true
	if r.closed {
		w.reset()
	}
	r.mu.Unlock()
	w.run()
	r.mu.Lock()
	delete(r.live, w)
	r.mu.Unlock()
}

func (r *Relay) close() {
	r.Refuse(true)
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.Cut()
	r.wires.Wait()
}
