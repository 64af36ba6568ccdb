package daemon

import (
	"strings"
	"sync"

	"tunneld/profiles"
)

// wishes are what persons asked for by up and down, until the daemon's end. The
// zero value has none.
type wishes struct {
	mu   sync.Mutex      // guards what follows
	down map[string]bool // what is to be stopped: PROFILE, or PROFILE/FORWARD
	up   map[string]bool // manual profiles that are to run
}

// isDown reports whether a person stopped a profile or, where one is named, a
// forward of it.
func (w *wishes) isDown(profile, forward string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.down[nameOf(profile, forward)]
}

func (w *wishes) setDown(profile, forward string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down == nil {
		w.down = map[string]bool{}
	}
	w.down[nameOf(profile, forward)] = true
}

// unsetDown lets a profile or a forward run again.
func (w *wishes) unsetDown(profile, forward string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.down, nameOf(profile, forward))
}

func (w *wishes) setUp(profile string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.up == nil {
		w.up = map[string]bool{}
	}
	w.up[profile] = true
}

// waits reports whether a profile runs only once a person has asked for it.
func (w *wishes) waits(p profiles.Profile) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return p.Start == profiles.Manual && !w.up[p.Name]
}

// forget drops everything about a profile and its forwards.
func (w *wishes) forget(profile string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.up, profile)
	for key := range w.down {
		if key == profile || strings.HasPrefix(key, profile+"/") {
			delete(w.down, key)
		}
	}
}

// nameOf is what people write for a profile or, where one is named, a forward.
func nameOf(profile, forward string) string {
	if forward == "" {
		return profile
	}
	return profile + "/" + forward
}
