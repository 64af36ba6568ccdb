package main

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"tunneld/internal/sshtest"
)

// A stream runs at full speed both ways while the forwards beside it are
// edited twenty times, through the watched folder: not a byte is lost, and
// there is one login.
func TestStreamRunsThroughTwentyEdits(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	keep, ports := freeAddr(t), freeAddrs(t, 3)
	head := server(d) + localForward("keep", keep, echo.Addr)
	p := startDaemon(t, map[string]string{"work": head})
	p.forward(0, "work", "keep", "listening")
	stream := startStream(dialTCP(t, keep))
	for n := range 20 {
		mark := p.mark()
		name := fmt.Sprintf("edit%d", n)
		p.replace("work", head+localForward(name, ports[n%3], echo.Addr)+remoteForward("back", "127.0.0.1:0", freeAddr(t)))
		p.forward(mark, "work", name, "listening")
		ping(t, dialTCP(t, ports[n%3]), name)
	}
	sent, received := stream.end(t)
	if sent.sum != received.sum || sent.bytes != received.bytes {
		t.Errorf("sent %d bytes, %d came back; the same: %v", sent.bytes, received.bytes, sent.sum == received.sum)
	}
	if sent.bytes < 1<<20 {
		t.Errorf("only %d bytes were sent", sent.bytes)
	}
	if n := strings.Count(d.Log(), "Accepted publickey"); n != 1 {
		t.Errorf("%d logins, want one", n)
	}
	t.Logf("%d MiB each way", sent.bytes>>20)
}

// stream sends a pattern to an echo and reads what comes back, until end.
type stream struct {
	conn           *net.TCPConn
	stop           chan struct{}
	sent, received chan tally
}

// tally is what went one way.
type tally struct {
	bytes int64
	sum   string
	err   error
}

func startStream(c *net.TCPConn) *stream {
	s := &stream{conn: c, stop: make(chan struct{}), sent: make(chan tally, 1), received: make(chan tally, 1)}
	go s.send()
	go s.receive()
	return s
}

func (s *stream) send() {
	sum, pattern := sha256.New(), sshtest.Pattern(1<<40)
	total, err := int64(0), error(nil)
	for err == nil {
		select {
		case <-s.stop:
			s.sent <- tally{total, digest(sum), s.conn.CloseWrite()}
			return
		default:
		}
		var n int64
		n, err = io.CopyN(io.MultiWriter(s.conn, sum), pattern, 16<<10)
		total += n
	}
	s.sent <- tally{total, digest(sum), err}
}

func (s *stream) receive() {
	sum := sha256.New()
	n, err := io.Copy(sum, s.conn)
	s.received <- tally{n, digest(sum), err}
}

// end stops sending and waits for the rest of the echo.
func (s *stream) end(t *testing.T) (sent, received tally) {
	t.Helper()
	close(s.stop)
	sent, received = <-s.sent, <-s.received
	if sent.err != nil || received.err != nil {
		t.Fatal(sent.err, received.err)
	}
	return sent, received
}

func digest(h hash.Hash) string { return fmt.Sprintf("%x", h.Sum(nil)) }

// Two hours of a network that drops every half minute, without the calm between
// the drops: 240 losses in every way that a relay knows, a client at each. After
// the first third nothing grows: no goroutines, no descriptors, no memory.
func TestFlappingGrowsNothing(t *testing.T) {
	t.Parallel()
	const flaps, warm = 240, 80
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	relay := sshtest.NewRelay(t, d.Addr)
	local := freeAddr(t)
	quick := strings.Replace(serverAt(d, relay.Addr), `reconnect_max = "300ms"`, `reconnect_max = "60ms"`, 1)
	p := prepareDaemon(t, map[string]string{"work": quick + localForward("db", local, echo.Addr) + remoteForward("back", "127.0.0.1:0", echo.Addr)})
	metrics := freeAddr(t)
	p.metricsAt(metrics)
	run := p.program("run")
	run.Env = append(environment(), "GOGC=50") // a collection at every 2 MiB shows the least growth
	p.startAs(run)
	p.forward(0, "work", "back", "listening")
	var before footprint
	for n := range flaps {
		if n == warm {
			before = p.footprint(metrics)
		}
		mark := p.mark()
		flap(relay, n)
		sshtest.Eventually(t, patience, "a client through the drop", func() bool { return tryOnce(local) == nil })
		p.forward(mark, "work", "back", "listening")
	}
	bound := before
	bound.goroutines += 5 // the last drop's may be about to end
	bound.descriptors += 3
	bound.threads += 8
	bound.heap += (flaps - warm) * 8 // the events that are kept; one connection is more
	var after footprint
	defer func() { t.Logf("after %d drops: %+v; after %d: %+v", warm, before, flaps, after) }()
	sshtest.Eventually(t, patience, fmt.Sprintf("no more than %+v", bound), func() bool {
		after = p.footprint(metrics)
		return after.within(bound)
	})
}

// tryOnce is a client that comes, is served and goes.
func tryOnce(addr string) error {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	return tryPing(c, "through the drop")
}

// footprint is what a process holds.
type footprint struct{ goroutines, descriptors, threads, heap int } // heap in KiB

func (u footprint) within(bound footprint) bool {
	return u.goroutines <= bound.goroutines && u.descriptors <= bound.descriptors && u.threads <= bound.threads && u.heap <= bound.heap
}

func (p *process) footprint(metrics string) footprint {
	p.t.Helper()
	body, err := scrape(metrics)
	if err != nil {
		p.t.Fatal(err)
	}
	gauge := func(name string) int {
		p.t.Helper()
		_, rest, _ := strings.Cut(body, "\n"+name+" ")
		text, _, _ := strings.Cut(rest, "\n")
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			p.t.Fatal(name, err)
		}
		return int(value)
	}
	return footprint{
		goroutines:  gauge("go_goroutines"),
		descriptors: p.descriptors(),
		threads:     gauge("go_threads"),
		// What the next collection waits for follows from what was in use at the last.
		heap: gauge("go_memstats_next_gc_bytes") * 100 / (100 + gauge("go_gc_gogc_percent")) / 1024,
	}
}

// flap breaks the connection in the nth way.
func flap(relay *sshtest.Relay, n int) {
	switch {
	case n%40 == 7: // silence, which the keepalive must notice
		relay.Freeze()
		time.AfterFunc(2*time.Second, relay.Thaw)
	case n%8 == 3: // the server is away for a moment
		relay.Refuse(true)
		relay.Cut()
		time.AfterFunc(30*time.Millisecond, func() { relay.Refuse(false) })
	case n%8 == 5: // the next attempt dies somewhere in its handshake
		relay.Cut()
		relay.CutAfter(rand.Int64N(6000))
	default:
		relay.Cut()
	}
}
