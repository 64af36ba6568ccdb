package profiles

import (
	"iter"
	"reflect"
	"slices"
	"strings"
)

// Version says which text a value in a [Set] comes from.
type Version string

// The versions.
const (
	Current  Version = "current"
	LastGood Version = "last_good" // the file has a problem, and this is what it said before
)

// Set is the good profiles of one reading, in the order of their names. The
// zero Set is empty.
type Set struct {
	daemon        Daemon
	daemonVersion Version
	daemonText    []byte // nil without daemon.toml
	entries       []entry
}

// entry is a profile with what is kept beside it.
type entry struct {
	text     []byte
	profile  Profile
	version  Version
	settings []Setting
	listens  []binding // what the enabled forwards bind
	jump     jump      // the profile that the way leads through, if any
}

// Setting is one key of a profile with where its value came from.
type Setting struct {
	Key    string // "forward.local[0].listen"
	Value  string // as TOML writes it; the password of a proxy is xxxxx
	Origin Origin
}

// NewSet returns a set of profiles, such as one that a command makes up.
func NewSet(profiles ...Profile) Set {
	var s Set
	for _, p := range profiles {
		s.entries = append(s.entries, entry{profile: p, version: Current})
	}
	s.sort()
	return s
}

func (s *Set) sort() {
	slices.SortFunc(s.entries, func(a, b entry) int { return strings.Compare(a.profile.Name, b.profile.Name) })
}

// All yields the profiles in the order of their names.
func (s Set) All() iter.Seq[Profile] {
	return func(yield func(Profile) bool) {
		for _, e := range s.entries {
			if !yield(e.profile) {
				return
			}
		}
	}
}

// Len returns the number of profiles.
func (s Set) Len() int { return len(s.entries) }

// Profile returns the profile of a name.
func (s Set) Profile(name string) (Profile, bool) {
	e := s.entry(name)
	return e.profile, e.version != ""
}

// Version returns which version of a profile is in the set, or "" for none.
func (s Set) Version(name string) Version { return s.entry(name).version }

// Show returns every key of a profile with its value and origin, in the order
// of the schema.
func (s Set) Show(name string) []Setting { return slices.Clone(s.entry(name).settings) }

// Daemon returns what daemon.toml says, or the defaults, and which version.
func (s Set) Daemon() (Daemon, Version) { return s.daemon, s.daemonVersion }

func (s Set) entry(name string) entry {
	i, found := slices.BinarySearchFunc(s.entries, name, func(e entry, name string) int {
		return strings.Compare(e.profile.Name, name)
	})
	if !found {
		return entry{}
	}
	return s.entries[i]
}

// computed puts a default that was worked out into the settings.
func (r *reader) computed(key string, value any) {
	i := slices.IndexFunc(r.settings, func(s Setting) bool { return s.Key == key })
	if i >= 0 {
		r.settings[i] = Setting{key, tomlText(reflect.ValueOf(value)), Default}
	}
}
