package daemon

import (
	"strings"
	"testing"
	"time"

	"tunneld/forward"
	"tunneld/profiles"
)

// Only what the files name is counted, and it is forgotten with its name.
func TestLedgerKeepsWhatTheFilesName(t *testing.T) {
	s := many(t)
	const held = `tunneld_forward_hold_seconds{forward="forward-1",profile="profile-7"}`
	late := func() {
		s.ledger.held("profile-7", "forward-1", time.Second)
		s.ledger.reconnected("profile-7", noCode)
	}
	late()
	if got := scrape(t, s)[held]; got != 1 {
		t.Errorf("%v waited, want 1", got)
	}
	p, _ := s.set.Profile("profile-7")
	p.Forwards = p.Forwards[:1]
	s.set = profiles.NewSet(p)
	s.ledger.keep(s.set)
	late() // from a connection that does not know yet
	got := scrape(t, s)
	if _, found := got[held]; found || got[`tunneld_link_reconnects_total{code="none",profile="profile-7"}`] != 2 {
		t.Errorf("without the forward: %v", got)
	}
	s.set = profiles.Set{}
	s.ledger.keep(s.set)
	late()
	for key := range scrape(t, s) {
		if strings.Contains(key, "profile-7") {
			t.Errorf("without the profile: %s", key)
		}
	}
}

// Who connects to a remote forward is on the server's side.
func TestTowards(t *testing.T) {
	stats := forward.Stats{ToTarget: 3, ToOrigin: 5}
	for kind, want := range map[profiles.Kind][2]uint64{profiles.Local: {3, 5}, profiles.Dynamic: {3, 5}, profiles.Remote: {5, 3}} {
		if there, back := towards(kind, stats); there != want[0] || back != want[1] {
			t.Errorf("%s: %d there, %d back, want %v", kind, there, back, want)
		}
	}
}
