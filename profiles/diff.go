package profiles

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
)

// Verb is what a [Change] does.
type Verb string

// The verbs, in the order in which [Diff] returns them: what stops comes
// first, so that its addresses are free for what starts.
const (
	StopForward  Verb = "stop_forward"
	Stop         Verb = "stop"          // the profile with all it holds
	Relink       Verb = "relink"        // connect anew as the profile says now; its forwards stay
	Update       Verb = "update"        // take the new profile; nothing that runs is touched
	StartForward Verb = "start_forward" // in a profile that runs
	Start        Verb = "start"         // the profile with all its enabled forwards
)

// Change is one step from a set to another.
type Change struct {
	Verb    Verb
	Profile string
	Forward string // of StartForward and StopForward
}

// String returns a line such as "start_forward work/db".
func (c Change) String() string {
	s := string(c.Verb) + " " + c.Profile
	if c.Forward != "" {
		s += "/" + c.Forward
	}
	return s
}

// Diff returns the smallest list of changes that makes what runs for before into
// what runs for after. Disabled profiles and forwards do not run, so they are as
// good as not there; the order of forwards does not matter either. A changed
// forward stops and starts; one in a file that was renamed does too, with its
// profile.
func Diff(before, after Set) []Change {
	var changes []Change
	for p := range before.All() {
		if q, _ := after.Profile(p.Name); p.Enabled && !q.Enabled {
			changes = append(changes, Change{Verb: Stop, Profile: p.Name})
		}
	}
	for q := range after.All() {
		p, _ := before.Profile(q.Name)
		switch {
		case !q.Enabled:
		case !p.Enabled:
			changes = append(changes, Change{Verb: Start, Profile: q.Name})
		default:
			changes = append(changes, diffProfile(p, q)...)
		}
	}
	slices.SortStableFunc(changes, func(a, b Change) int { return cmp.Compare(a.Verb.order(), b.Verb.order()) })
	return changes
}

// diffProfile compares two versions of a profile that runs in both.
func diffProfile(p, q Profile) []Change {
	var changes []Change
	if !sameConnection(p, q) {
		changes = append(changes, Change{Verb: Relink, Profile: q.Name})
		p.Link = q.Link // with the times
	}
	if !sameRest(p, q) {
		changes = append(changes, Change{Verb: Update, Profile: q.Name})
	}
	before, after := enabledForwards(p), enabledForwards(q)
	for _, name := range before.names() {
		if g, kept := after[name]; !kept || g != before[name] {
			changes = append(changes, Change{StopForward, q.Name, name})
		}
	}
	for _, name := range after.names() {
		if f, was := before[name]; !was || f != after[name] {
			changes = append(changes, Change{StartForward, q.Name, name})
		}
	}
	return changes
}

// sameConnection reports whether the connection can stay.
func sameConnection(p, q Profile) bool {
	return reflect.DeepEqual(p.Server, q.Server) && reflect.DeepEqual(timeless(p.Link), timeless(q.Link)) &&
		reflect.DeepEqual(p.Auth, q.Auth) && reflect.DeepEqual(p.HostKey, q.HostKey)
}

// timeless is l without its times, which hold for a live connection too.
func timeless(l Link) Link {
	l.ConnectTimeout, l.Keepalive, l.KeepaliveMisses = 0, 0, 0
	l.ReconnectMin, l.ReconnectMax, l.RefusedRetry = 0, 0, 0
	return l
}

// sameRest compares what neither the connection nor a forward is made of, with
// the times of a link whose connection stays.
func sameRest(p, q Profile) bool {
	return rest(p).Equal(rest(q))
}

func rest(p Profile) Profile {
	p.Server, p.Auth, p.HostKey, p.Forwards = Server{}, Auth{}, HostKey{}, nil
	return p
}

type forwardsByName map[string]Forward

func enabledForwards(p Profile) forwardsByName {
	all := forwardsByName{}
	for _, f := range p.Forwards {
		if f.Enabled {
			all[f.Name] = f
		}
	}
	return all
}

func (m forwardsByName) names() []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	return names
}

// order is a verb's place in the list of verbs.
func (v Verb) order() int {
	return slices.Index([]Verb{StopForward, Stop, Relink, Update, StartForward, Start}, v)
}
