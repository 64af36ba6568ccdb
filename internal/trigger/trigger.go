// Package trigger tells when connections may have died without a word: the
// machine woke from sleep, or its network changed.
//
// A [Watcher] hears of it from the system where that tells (netlink and logind
// on Linux, the IP Helper on Windows), and looks by itself where it does not. A
// burst of changes is one [Event], which says how the network differs from the
// last time, so that what ends as it began is none.
package trigger

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// A burst is over after quiet without a change, or after limit.
const (
	quiet = 500 * time.Millisecond
	limit = 2 * time.Second
)

// lookAgain is the wait before a source that broke is tried again, and how often
// the network is looked at where there is none.
const lookAgain = 30 * time.Second

// Event is what happened in one burst.
type Event struct {
	Woke  bool          // the machine woke from sleep
	Slept time.Duration // for so long; 0 where that is not known
	// Came and Went are addresses, as "192.0.2.7/24 eth0", and default routes, as
	// "default via 192.0.2.1 eth0", in order. An interface that is down has none.
	Came, Went []string
	Gone       []netip.Addr // what this machine had and has no more, up or down
}

// String describes the change of the network: "+192.0.2.7/24 eth0 -198.51.100.4/24 wlan0".
func (e Event) String() string {
	var words []string
	for _, s := range e.Came {
		words = append(words, "+"+s)
	}
	for _, s := range e.Went {
		words = append(words, "-"+s)
	}
	const most = 6
	if n := len(words) - most; n > 0 {
		words = append(words[:most], "and more")
	}
	return strings.Join(words, ", ")
}

// Watcher watches this machine. Its fields are set before Serve.
type Watcher struct {
	// Happened hears of every event, one at a time.
	Happened func(Event)
	// Trouble, if not nil, hears once why the network cannot be looked at.
	Trouble func(error)
	// Woken, if not nil, is another who says that the machine woke.
	Woken <-chan struct{}
	// Now is the wall clock, Awake one that stands still while the machine
	// sleeps; nil means the real ones. After is their timer.
	Now   func() time.Time
	Awake func() time.Duration
	After func(time.Duration) <-chan time.Time
	// Bus is the address of the D-Bus that logind is on; "" means the system's.
	Bus string
}

// Serve watches until ctx ends, and returns its error when all that it started
// is over.
func (w *Watcher) Serve(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	b := &burst{watcher: w, woken: make(chan struct{}, 1), stirred: make(chan struct{}, 1)}
	b.sleep = sleep{wall: w.now(), awake: w.awake(), first: true}
	b.network, _ = look()
	work.Go(func() { w.again(ctx, listenNetwork, b.stirred) })
	work.Go(func() { w.again(ctx, w.listenLogind, b.woken) })
	return b.serve(ctx)
}

// again listens to a source until ctx ends. Each time that it breaks may have
// hidden something from the network; of a sleep the clocks tell too.
func (w *Watcher) again(ctx context.Context, listen func(context.Context, func()) error, heard chan<- struct{}) {
	tell := func() { nudge(heard) }
	for ctx.Err() == nil {
		_ = listen(ctx, tell) // there is none, or it will be back
		select {
		case <-ctx.Done():
		case <-w.after(lookAgain):
		}
	}
}

// nudge tells c, which holds one.
func nudge(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (w *Watcher) now() time.Time {
	if w.Now != nil {
		return w.Now()
	}
	return time.Now()
}

func (w *Watcher) awake() time.Duration {
	if w.Awake != nil {
		return w.Awake()
	}
	return awake()
}

func (w *Watcher) after(d time.Duration) <-chan time.Time {
	if w.After != nil {
		return w.After(d)
	}
	return time.After(d)
}
