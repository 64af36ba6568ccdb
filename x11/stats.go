package x11

import (
	"context"
	"maps"
	"time"

	"tunneld/fault"
)

// Stats counts a Forwarder's streams since it was made.
type Stats struct {
	Active    int    // open now, those whose packet is awaited included
	Total     uint64 // accepted
	Refused   uint64 // accepted but turned away
	ToDisplay uint64 // bytes of connections that are over
	ToProgram uint64

	// Refusals counts the refused ones by code; one that panicked has none.
	Refusals map[fault.Code]uint64
}

// Stats returns the present counts. It is safe to call at any time.
func (f *Forwarder) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Refusals = maps.Clone(s.Refusals)
	return s
}

// count changes the counts.
func (f *Forwarder) count(change func(*Stats)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.stats)
}

// refuse counts a stream that was turned away, and tells the owner of g, or of
// f where g is nil.
func (f *Forwarder) refuse(g *Grant, why error) {
	f.count(func(s *Stats) {
		s.Refused++
		if code := fault.CodeOf(why); code != "" {
			if s.Refusals == nil {
				s.Refusals = map[fault.Code]uint64{}
			}
			s.Refusals[code]++
		}
	})
	tell := f.Refused
	if g != nil {
		tell = g.Refused
	}
	if tell != nil {
		tell(why)
	}
}

// pause keeps a listener that fails at once from being asked for without end.
func (f *Forwarder) pause(ctx context.Context) {
	after := f.After
	if after == nil {
		after = time.After
	}
	select {
	case <-ctx.Done():
	case <-after(retryPause):
	}
}

func (f *Forwarder) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}
