package daemon

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tunneld/fault"
	"tunneld/forward"
	"tunneld/link"
	"tunneld/profiles"
)

// ledger keeps what the metrics count. A link and a forward begin anew with
// each edit, stop and start; their counters go on here for as long as the files
// name them. What the files do not name is not counted.
type ledger struct {
	holds *prometheus.HistogramVec // by profile and forward

	mu       sync.Mutex // guards what follows, and who has a series in holds
	profiles map[string]*profileCounts
	read     reading
}

// reading is what became of the last reading of the folder.
type reading struct {
	good bool
	at   time.Time // of the last good one
}

type profileCounts struct {
	reconnects map[string]uint64 // by the code of the loss
	forwards   map[string]*forwardCounts
}

// forwardCounts are those of the forwards that had a name, one after the other.
type forwardCounts struct {
	over    traffic
	running []*running // mostly one; one that is being stopped still counts
}

// traffic is what went through.
type traffic struct {
	active               int
	total                uint64
	failures             map[string]uint64 // by code
	toServer, fromServer uint64            // bytes
}

// noCode is the code of what has none: a restart that somebody asked for, a
// panic.
const noCode = "none"

func newLedger() *ledger {
	return &ledger{holds: newHolds(), profiles: map[string]*profileCounts{}}
}

// keep makes the ledger have what the files name: all that, and no more.
func (l *ledger) keep(set profiles.Set) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.profiles
	l.profiles = map[string]*profileCounts{}
	for p := range set.All() {
		old := before[p.Name]
		if old == nil {
			old = &profileCounts{reconnects: zeros(fault.ClosedByServer, fault.KeepaliveLost, fault.NetworkChanged)}
		}
		l.profiles[p.Name] = &profileCounts{old.reconnects, keepForwards(old.forwards, p)}
	}
	for profile, counts := range before {
		for forward := range counts.forwards {
			if l.forward(profile, forward) == nil {
				l.holds.DeleteLabelValues(profile, forward)
			}
		}
	}
}

func keepForwards(before map[string]*forwardCounts, p profiles.Profile) map[string]*forwardCounts {
	after := map[string]*forwardCounts{}
	for _, f := range p.Forwards {
		after[f.Name] = cmp.Or(before[f.Name], newForwardCounts(f.Kind))
	}
	return after
}

func newForwardCounts(kind profiles.Kind) *forwardCounts {
	failures := zeros(fault.TargetRefused, fault.TargetTimeout)
	if kind != profiles.Remote {
		failures = zeros(fault.TargetRefused, fault.TargetTimeout, fault.TargetDenied, fault.HoldExpired)
	}
	return &forwardCounts{over: traffic{failures: failures}}
}

// zeros has the usual codes from the start: Prometheus' rates do not see the
// first of what begins as 1.
func zeros(codes ...fault.Code) map[string]uint64 {
	counts := map[string]uint64{}
	for _, c := range codes {
		counts[string(c)] = 0
	}
	return counts
}

// forward returns the counts of a forward, or nil where the files do not name it.
func (l *ledger) forward(profile, name string) *forwardCounts {
	if p := l.profiles[profile]; p != nil {
		return p.forwards[name]
	}
	return nil
}

// begin counts what goes through r from now on.
func (l *ledger) begin(profile string, r *running) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.forward(profile, r.spec.Name); f != nil {
		f.running = append(f.running, r)
	}
}

// end keeps what went through r, which is over.
func (l *ledger) end(profile string, r *running) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.forward(profile, r.spec.Name)
	if f == nil {
		return
	}
	if i := slices.Index(f.running, r); i >= 0 {
		f.running = slices.Delete(f.running, i, i+1)
		f.over.add(r)
	}
}

// add adds what went through r.
func (t *traffic) add(r *running) {
	stats := r.Stats()
	there, back := towards(r.spec.Kind, stats)
	t.active += stats.Active
	t.total += stats.Total
	t.toServer += there
	t.fromServer += back
	coded := uint64(0)
	for code, n := range stats.Failures {
		t.failures[string(code)] += n
		coded += n
	}
	if stats.Failed > coded {
		t.failures[noCode] += stats.Failed - coded
	}
}

// towards returns the bytes that went to the server and came from it.
func towards(kind profiles.Kind, s forward.Stats) (there, back uint64) {
	if kind == profiles.Remote { // its clients are on the server's side
		return s.ToOrigin, s.ToTarget
	}
	return s.ToTarget, s.ToOrigin
}

// reconnected counts that a link came up again after a loss with a code.
func (l *ledger) reconnected(profile, code string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.profiles[profile]; p != nil {
		p.reconnects[code]++
	}
}

// held counts a connection that waited for the link.
func (l *ledger) held(profile, name string, waited time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.forward(profile, name) != nil {
		l.holds.WithLabelValues(profile, name).Observe(waited.Seconds())
	}
}

// loaded notes a reading of the folder.
func (l *ledger) loaded(good bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read.good = good
	if good {
		l.read.at = time.Now()
	}
}

// traffic returns what went through a forward so far.
func (f *forwardCounts) traffic() traffic {
	sum := f.over
	sum.failures = maps.Clone(f.over.failures)
	for _, r := range f.running {
		sum.add(r)
	}
	return sum
}

// comebacks notices when a link comes up again after a loss.
type comebacks struct {
	up, lost bool
	code     string // of the loss
}

// hear takes what the link tells, and reports whether it is back, and from what
// loss. To be taken down or to have nothing to do is no loss.
func (c *comebacks) hear(e link.Event) (code string, back bool) {
	switch e.State {
	case "":
		return "", false
	case link.Up:
		code, back = c.code, c.lost
		*c = comebacks{up: true}
		return code, back
	case link.Connecting, link.Waiting, link.Refused, link.Blocked:
		if c.up {
			*c = comebacks{lost: true, code: codeLabel(e.Err)}
		}
	default:
		*c = comebacks{}
	}
	return "", false
}
