package profiles_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/profiles"
)

// Without the folder everything runs on, after a restart too, and the copies
// stay; an empty folder is a wish.
func TestLostFolder(t *testing.T) {
	l := folder(t, map[string]string{"profiles/aa.toml": smallest, "profiles/bb.toml": smallest, "daemon.toml": "defaults.link.keepalive = '7s'\n"})
	load(t, l)
	for _, gone := range []string{filepath.Join(l.Dir, "profiles"), l.Dir} {
		must(t, os.RemoveAll(gone))
		for _, loader := range []*profiles.Loader{l, {Dir: l.Dir, State: l.State, Env: l.Env}} {
			for range 2 {
				set, problems := loader.Load()
				p, _ := set.Profile("aa")
				if names(set) != "aa (last_good) bb (last_good)" || lines(problems) != "profiles: the folder is missing; the last good versions stay; put it back; an empty one stops every profile" || p.Link.Keepalive.Seconds() != 7 {
					t.Errorf("%s, %+v\n%s", names(set), p.Link, lines(problems))
				}
			}
		}
	}
	must(t, os.MkdirAll(filepath.Join(l.Dir, "profiles"), 0o700))
	if set := load(t, l); set.Len() != 0 {
		t.Error(names(set))
	}
	if left, err := os.ReadDir(filepath.Join(l.State, "last-good")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A changed, a new and a removed file are undone, until they change again; the
// copies are those of before.
func TestUndo(t *testing.T) {
	l := folder(t, map[string]string{"profiles/aa.toml": described("1"), "profiles/gone.toml": smallest, "profiles/same.toml": smallest})
	before := load(t, l)
	write(t, l, "profiles/aa.toml", described("2"))
	write(t, l, "profiles/new.toml", smallest)
	write(t, l, "daemon.toml", "log_level = 'debug'\n")
	remove(t, l, "profiles/gone.toml")
	after := load(t, l)
	must(t, l.Undo(before, after))
	for range 2 {
		set, problems := l.Load()
		p, _ := set.Profile("aa")
		d, version := set.Daemon()
		if names(set) != "aa (last_good) gone (last_good) same" || p.Description != "1" || d.LogLevel != "info" || version != profiles.LastGood {
			t.Errorf("%s, %q, %+v", names(set), p.Description, d)
		}
		if len(problems) != 4 || !strings.Contains(lines(problems), "profiles/new.toml: undone: ") {
			t.Errorf("problems:\n%s", lines(problems))
		}
		if changes := profiles.Diff(before, set); len(changes) > 0 {
			t.Errorf("not as before: %v", changes)
		}
	}
	write(t, l, "profiles/aa.toml", bad)
	if set, _ := l.Load(); names(set) != "aa (last_good) gone (last_good) same" {
		t.Error(names(set))
	}
	set, _ := restarted(l).Load()
	if p, _ := set.Profile("aa"); names(set) != "aa (last_good) gone (last_good) same" || p.Description != "1" {
		t.Errorf("a restart finds %s, %q", names(set), p.Description)
	}
	write(t, l, "profiles/aa.toml", described("3"))
	write(t, l, "profiles/new.toml", described("3"))
	write(t, l, "profiles/gone.toml", described("3"))
	remove(t, l, "daemon.toml")
	if set := load(t, l); names(set) != "aa gone new same" {
		t.Error(names(set))
	}
}

func TestKeepAfterUndo(t *testing.T) {
	l := folder(t, map[string]string{"profiles/aa.toml": described("1")})
	before := load(t, l)
	if undone, err := l.Keep(); undone || err != nil {
		t.Errorf("nothing was undone, but %v, %v", undone, err)
	}
	write(t, l, "profiles/aa.toml", described("2"))
	must(t, l.Undo(before, load(t, l)))
	set, _ := l.Load()
	if undone, err := l.Keep(); names(set) != "aa (last_good)" || !undone || err != nil {
		t.Error(names(set), undone, err)
	}
	if p, _ := load(t, l).Profile("aa"); p.Description != "2" {
		t.Errorf("%+v", p)
	}
}

// A process that ends while changes are on trial, however that happens, leaves
// them to the next to be undone, edits of that time too. What was kept stays.
func TestTrialOutlivesTheProcess(t *testing.T) {
	l := folder(t, map[string]string{"profiles/aa.toml": described("1"), "profiles/bb.toml": described("1"), "profiles/gone.toml": smallest})
	before := load(t, l)
	try := func() {
		t.Helper()
		must(t, l.Try(before, load(t, l)))
	}
	write(t, l, "profiles/aa.toml", described("2"))
	try()
	write(t, l, "profiles/aa.toml", described("3"))
	write(t, l, "profiles/new.toml", smallest)
	write(t, l, "daemon.toml", "log_level = 'debug'\n")
	remove(t, l, "profiles/gone.toml")
	try()
	if after := load(t, l); names(after) != "aa bb new" {
		t.Errorf("the trial itself is of %s", names(after))
	}
	for range 2 {
		next := restarted(l)
		for range 2 {
			set, problems := next.Load()
			p, _ := set.Profile("aa")
			d, _ := set.Daemon()
			if names(set) != "aa (last_good) bb gone (last_good)" || p.Description != "1" || d.LogLevel != "info" || len(problems) != 4 {
				t.Errorf("a restart finds %s, %q, %+v\n%s", names(set), p.Description, d, lines(problems))
			}
		}
	}
	write(t, l, "profiles/aa.toml", described("4"))
	next := restarted(l)
	for range 2 { // the second does not know of what was undone of aa
		if set, _ := next.Load(); names(set) != "aa bb gone (last_good)" {
			t.Error(names(set))
		}
		write(t, l, "profiles/aa.toml", described("3"))
		next = restarted(l)
	}
	if _, err := next.Keep(); err != nil {
		t.Error(err)
	}
	if set := load(t, restarted(l)); names(set) != "aa bb new" {
		t.Error(names(set))
	}
}
