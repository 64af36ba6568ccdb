package trigger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tunneld/internal/sshtest"
)

// ip runs the lines of a batch of ip(8), in this process's own namespace.
func ip(t *testing.T, lines ...string) {
	t.Helper()
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ip: %v: %s: run: make deps", err, out)
	}
}

// cable makes two ends, left and right, of which left is used. It is gone after
// the test.
func cable(t *testing.T) {
	t.Helper()
	ip(t, "link add left type veth peer name right", "link set right up", "link set left up")
	t.Cleanup(func() { ip(t, "link del left") })
}

// watch serves a watcher without a bus.
func watch(t *testing.T) <-chan Event {
	t.Helper()
	return serve(t, &Watcher{Bus: "unix:path=/nowhere"})
}

// expect wants exactly this next, in one event or, on a machine that was slow to
// make the changes, in several.
func expect(t *testing.T, events <-chan Event, want string) (all Event) {
	t.Helper()
	deadline := time.After(patience)
	for all.String() != want {
		select {
		case e := <-events:
			all.Woke = all.Woke || e.Woke
			all.Came, all.Went = slices.Sorted(slices.Values(append(all.Came, e.Came...))), slices.Sorted(slices.Values(append(all.Went, e.Went...)))
			all.Gone = append(all.Gone, e.Gone...)
		case <-deadline:
			t.Fatalf("events %q, want %q", all, want)
		}
	}
	if all.Woke {
		t.Error("and a wake")
	}
	return all
}

func TestAddressesAndRoutes(t *testing.T) {
	sshtest.Leaks(t)
	cable(t)
	events := watch(t)
	ip(t, "addr add 192.0.2.7/24 dev left")
	expect(t, events, "+192.0.2.7/24 left")
	ip(t, "route add default via 192.0.2.1 dev left")
	expect(t, events, "+default via 192.0.2.1 left")
	ip(t, "addr add 2001:db8::7/64 dev left nodad", "route add default via 2001:db8::1 dev left")
	expect(t, events, "+2001:db8::7/64 left, +default via 2001:db8::1 left")
	ip(t, "addr add 198.51.100.4/24 dev left", "addr del 192.0.2.7/24 dev left", "route replace default via 198.51.100.1 dev left")
	e := expect(t, events, "+198.51.100.4/24 left, +default via 198.51.100.1 left, -192.0.2.7/24 left, -default via 192.0.2.1 left")
	if len(e.Gone) != 1 || e.Gone[0].String() != "192.0.2.7" {
		t.Errorf("gone %s", e.Gone)
	}
}

// A link that goes down takes its addresses out of use, but they are still this
// machine's.
func TestLinkDownAndUp(t *testing.T) {
	sshtest.Leaks(t)
	cable(t)
	ip(t, "addr add 192.0.2.7/24 dev left")
	events := watch(t)
	ip(t, "link set right down") // the cable is pulled
	if e := expect(t, events, "-192.0.2.7/24 left"); len(e.Gone) > 0 {
		t.Errorf("gone %s", e.Gone)
	}
	ip(t, "link set right up")
	expect(t, events, "+192.0.2.7/24 left")
}

// What changes nothing for a connection is no event: the one after all of it is
// the first.
func TestNoiseIsNoEvent(t *testing.T) {
	sshtest.Leaks(t)
	cable(t)
	ip(t, "addr add 192.0.2.7/24 dev left", "addr add 2001:db8::7/64 dev left nodad")
	var bursts atomic.Int32
	events := serve(t, &Watcher{Bus: "unix:path=/nowhere", After: func(d time.Duration) <-chan time.Time {
		if d == limit {
			bursts.Add(1)
		}
		return time.After(d)
	}})
	ip(t,
		"neigh add 192.0.2.9 lladdr 02:00:00:00:00:01 dev left",
		"link set lo up", "addr add 127.0.0.2/8 dev lo", "addr add 192.0.2.99/32 dev lo",
		"link add bare type veth peer name bare2", "link set bare up", "link set bare2 up", "link del bare",
		"addr change 2001:db8::7/64 dev left valid_lft 600 preferred_lft 500",
		"addr change 2001:db8::7/64 dev left valid_lft 800 preferred_lft 700",
		"route add 203.0.113.0/24 dev left", "route del 203.0.113.0/24 dev left",
	)
	sshtest.Eventually(t, patience, "three bursts", func() bool {
		ip(t, "addr change 2001:db8::7/64 dev left valid_lft 600 preferred_lft 500")
		return bursts.Load() >= 3
	})
	ip(t, "addr add 192.0.2.10/24 dev left")
	expect(t, events, "+192.0.2.10/24 left")
	ip(t, "addr del 127.0.0.2/8 dev lo", "addr del 192.0.2.99/32 dev lo")
}

// A hundred addresses that come and go are one or two events, and one more for
// each time that a busy machine was slow.
func TestStorm(t *testing.T) {
	sshtest.Leaks(t)
	cable(t)
	events := watch(t)
	var lines []string
	for n := range 100 {
		lines = append(lines, fmt.Sprintf("addr add 10.9.%d.1/24 dev left", n))
	}
	for n := range 100 {
		lines = append(lines, fmt.Sprintf("addr del 10.9.%d.1/24 dev left", n))
	}
	began := time.Now()
	ip(t, append(lines, "addr add 192.0.2.7/24 dev left")...)
	most := 2 + int(time.Since(began)/quiet)
	for n := 1; ; n++ {
		e := next(t, events, nil)
		if n > most {
			t.Errorf("event %d: %s", n, e)
		}
		if slices.Contains(e.Came, "192.0.2.7/24 left") {
			t.Logf("%d events, of %d", n, most)
			return
		}
	}
}

// lossy is a socket that lost messages.
type lossy struct{ reads []error }

func (l *lossy) Read([]byte) (int, error) {
	err := l.reads[0]
	l.reads = l.reads[1:]
	return 0, err
}

func TestLostMessagesMeanALook(t *testing.T) {
	stirs := 0
	err := readNetwork(&lossy{[]error{unix.ENOBUFS, unix.ENOBUFS, io.EOF}}, func() { stirs++ })
	if stirs != 2 || !errors.Is(err, io.EOF) {
		t.Errorf("%d looks, then %v", stirs, err)
	}
}

// message is one of the kernel's, with the beginning of its struct.
func message(kind uint16, body ...byte) []byte {
	body = append(body, make([]byte, unix.SizeofRtMsg-len(body))...)
	m := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	m = binary.NativeEndian.AppendUint16(m, kind)
	return append(append(m, make([]byte, unix.SizeofNlMsghdr-len(m))...), body...)
}

func TestWhatMatters(t *testing.T) {
	theDefault := message(unix.RTM_NEWROUTE, unix.AF_INET, 0, 0, 0, unix.RT_TABLE_MAIN, 0, 0, unix.RTN_UNICAST)
	another := message(unix.RTM_DELROUTE, unix.AF_INET, 24, 0, 0, unix.RT_TABLE_MAIN, 0, 0, unix.RTN_UNICAST)
	none := message(unix.RTM_NEWROUTE, unix.AF_INET6, 0, 0, 0, unix.RT_TABLE_MAIN, 0, 0, unix.RTN_UNREACHABLE)
	for name, test := range map[string]struct {
		data []byte
		want bool
	}{
		"default route":       {theDefault, true},
		"another route":       {another, false},
		"an end of the table": {none, false},
		"the last of many":    {slices.Concat(another, none, theDefault), true},
		"address":             {message(unix.RTM_NEWADDR), true},
		"link":                {message(unix.RTM_DELLINK), true},
		"cut off":             {another[:20], true},
	} {
		if got := matters(test.data); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A burst ends when it is quiet, and never lasts longer than its limit.
func TestBurst(t *testing.T) {
	sshtest.Leaks(t)
	cable(t)
	c := newClock()
	events := serve(t, &Watcher{Now: c.Now, Awake: c.Awake, After: c.After, Bus: "unix:path=/nowhere"})
	address := func(n int) {
		ip(t, fmt.Sprintf("addr add 10.9.%d.1/24 dev left", n))
		sshtest.Eventually(t, patience, "word of the address", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return slices.ContainsFunc(c.timers, func(t timer) bool { return t.after == quiet && t.at == c.awake+quiet })
		})
	}
	const step = quiet - time.Millisecond
	steps := int(limit/step) + 1
	for n := range steps {
		address(n)
		if len(events) > 0 {
			t.Fatalf("after %d changes without a pause: %s", n, <-events)
		}
		c.pass(step)
	}
	if e := next(t, events, nil); len(e.Came) != steps {
		t.Errorf("%s, want %d addresses", e, steps)
	}
	address(100)
	ip(t, "addr del 10.9.100.1/24 dev left") // as it began
	address(101)
	if e := next(t, events, func() { c.pass(quiet) }); e.String() != "+10.9.101.1/24 left" {
		t.Errorf("%s, want one address", e)
	}
}

// The kernel's messages are cut at any place, and harm nobody.
func FuzzMatters(f *testing.F) {
	f.Add([]byte{16, 0, 0, 0, unix.RTM_NEWROUTE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add(bytes.Repeat([]byte{28, 0, 0, 0, unix.RTM_NEWROUTE, 0, 0}, 9))
	f.Fuzz(func(_ *testing.T, data []byte) { matters(data) })
}
