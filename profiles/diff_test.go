package profiles_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tunneld/profiles"
)

func changes(before, after profiles.Set) string {
	var all []string
	for _, c := range profiles.Diff(before, after) {
		all = append(all, c.String())
	}
	return strings.Join(all, ", ")
}

func TestDiff(t *testing.T) {
	l := folder(t, nil)
	base := "description = 'a'\nserver.host = 'h'\n[[forward.local]]\nname = 'db'\nlisten = 1\ntarget = 1\n[[forward.local]]\nname = 'web'\nlisten = 2\ntarget = 2\n"
	parse := func(text string) profiles.Set {
		p, _, problems := l.Parse("", text)
		if len(problems) > 0 {
			t.Fatal(lines(problems))
		}
		return profiles.NewSet(p)
	}
	edit := func(old, new string) profiles.Set { return parse(strings.Replace(base, old, new, 1)) }
	for _, test := range []struct {
		name          string
		before, after profiles.Set
		want          string
	}{
		{"nothing", parse(base), parse(base + "# comment\n"), ""},
		{"appears", profiles.Set{}, parse(base), "start lab"},
		{"disappears", parse(base), profiles.Set{}, "stop lab"},
		{"disabled", parse(base), parse("enabled = false\n" + base), "stop lab"},
		{"enabled", parse("enabled = false\n" + base), parse(base), "start lab"},
		{"appears disabled", profiles.Set{}, parse("enabled = false\n" + base), ""},
		{"description", parse(base), edit("'a'", "'b'"), "update lab"},
		{"server", parse(base), edit("'h'", "'i'"), "relink lab"},
		{"keepalive", parse(base), parse("link.keepalive = '1s'\n" + base), "update lab"},
		{"waits", parse(base), parse("link = { reconnect_min = '1s', reconnect_max = '2s', refused_retry = '1m', connect_timeout = '9s', keepalive_misses = 1 }\n" + base), "update lab"},
		{"ciphers", parse(base), parse("link = { keepalive = '1s', ciphers = ['aes128-ctr'] }\n" + base), "relink lab"},
		{"one forward", parse(base), edit("target = 1", "target = 3"), "stop_forward lab/db, start_forward lab/db"},
		{"renamed forward", parse(base), edit("'db'", "'sql'"), "stop_forward lab/db, start_forward lab/sql"},
		{"disabled forward", parse(base), edit("'db'", "'db'\nenabled = false"), "stop_forward lab/db"},
		{"all at once", parse(base), parse("server.host = 'i'\n[[forward.local]]\nname = 'db'\nlisten = 3\ntarget = 1\n"),
			"stop_forward lab/db, stop_forward lab/web, relink lab, update lab, start_forward lab/db"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := changes(test.before, test.after); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// A renamed file stops before it starts, so that its ports are free.
func TestDiffRename(t *testing.T) {
	l := folder(t, map[string]string{"profiles/zz.toml": smallest})
	before := load(t, l)
	remove(t, l, "profiles/zz.toml")
	write(t, l, "profiles/aa.toml", smallest)
	if got := changes(before, load(t, l)); got != "stop zz, start aa" {
		t.Error(got)
	}
}

// running is a model of what a supervisor runs.
type running map[string]profiles.Profile

func runs(s profiles.Set) running {
	r := running{}
	for p := range s.All() {
		if p.Enabled {
			r[p.Name] = onlyEnabled(p)
		}
	}
	return r
}

func onlyEnabled(p profiles.Profile) profiles.Profile {
	all := p.Forwards
	p.Forwards = nil
	for _, f := range all {
		if f.Enabled {
			p = withForward(p, f)
		}
	}
	return p
}

// withForward adds a forward, in the order of names.
func withForward(p profiles.Profile, f profiles.Forward) profiles.Profile {
	kept := withoutForward(p, f.Name).Forwards
	i := 0
	for i < len(kept) && kept[i].Name < f.Name {
		i++
	}
	p.Forwards = append(append(append([]profiles.Forward(nil), kept[:i]...), f), kept[i:]...)
	return p
}

func withoutForward(p profiles.Profile, name string) profiles.Profile {
	all := p.Forwards
	p.Forwards = nil
	for _, f := range all {
		if f.Name != name {
			p.Forwards = append(p.Forwards, f)
		}
	}
	return p
}

func (r running) apply(t *testing.T, c profiles.Change, after profiles.Set) {
	q, _ := after.Profile(c.Profile)
	p, there := r[c.Profile]
	if there == (c.Verb == profiles.Start) {
		t.Fatalf("%s: there: %v", c, there)
	}
	switch c.Verb {
	case profiles.Start:
		p = onlyEnabled(q)
	case profiles.Stop:
		delete(r, c.Profile)
		return
	case profiles.Relink:
		p.Server, p.Link, p.Auth, p.HostKey = q.Server, q.Link, q.Auth, q.HostKey
	case profiles.Update:
		forwards := p.Forwards
		server, auth, key, ciphers := p.Server, p.Auth, p.HostKey, p.Link.Ciphers
		p = q
		p.Forwards, p.Server, p.Auth, p.HostKey, p.Link.Ciphers = forwards, server, auth, key, ciphers
	case profiles.StopForward:
		p = withoutForward(p, c.Forward)
	case profiles.StartForward:
		for _, f := range q.Forwards {
			if f.Name == c.Forward {
				p = withForward(p, f)
			}
		}
	}
	r[c.Profile] = p
}

// randomSet is a small set, so that two of them often share names and values.
func randomSet(rng *rand.Rand) profiles.Set {
	var all []profiles.Profile
	for i := range 3 {
		if rng.IntN(4) == 0 {
			continue
		}
		p := profiles.Profile{Name: fmt.Sprintf("p%d", i), Enabled: rng.IntN(4) > 0, Description: fmt.Sprint(rng.IntN(2))}
		p.Server.Port = rng.IntN(2)
		p.Link.Keepalive, p.Link.Ciphers = time.Duration(rng.IntN(2)), []string{fmt.Sprint(rng.IntN(2))}
		p.Auth.IdentityFiles = []string{fmt.Sprint(rng.IntN(2))}
		for _, j := range rng.Perm(3)[:rng.IntN(4)] {
			p.Forwards = append(p.Forwards, profiles.Forward{Name: fmt.Sprintf("f%d", j), Enabled: rng.IntN(4) > 0, MaxConnections: rng.IntN(2)})
		}
		all = append(all, p)
	}
	return profiles.NewSet(all...)
}

// Applying a Diff gives what the new set runs, and no change of it is idle.
func TestDiffProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		before, after := randomSet(rng), randomSet(rng)
		all := profiles.Diff(before, after)
		state := runs(before)
		for _, c := range all {
			state.apply(t, c, after)
		}
		if diff := cmp.Diff(runs(after), state); diff != "" {
			t.Fatalf("%v\n%s", all, diff)
		}
		if same := cmp.Equal(runs(before), runs(after)); same != (len(all) == 0) {
			t.Fatalf("the same: %v, but %v", same, all)
		}
		if again := profiles.Diff(after, after); len(again) > 0 {
			t.Fatalf("against itself: %v", again)
		}
	}
}
