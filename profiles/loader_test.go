package profiles_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"tunneld/profiles"
)

const (
	bad  = "nonsense = 1\n"
	port = smallest + "[[forward.local]]\nlisten = '%'\ntarget = 1\n"
)

// listening is a profile with one local forward.
func listening(address string) string { return strings.Replace(port, "%", address, 1) }

func TestMissingFolder(t *testing.T) {
	l := folder(t, nil)
	if set := load(t, l); set.Len() != 0 {
		t.Error(names(set))
	}
}

func TestLastGoodInMemory(t *testing.T) {
	l := folder(t, map[string]string{"profiles/aa.toml": smallest, "profiles/bb.toml": smallest})
	l.State = "" // nothing on disk
	load(t, l)
	write(t, l, "profiles/aa.toml", bad)
	write(t, l, "profiles/cc.toml", bad)
	set, problems := l.Load()
	if names(set) != "aa (last_good) bb" || len(problems) != 4 {
		t.Errorf("%s\n%s", names(set), lines(problems))
	}
	if p, _ := set.Profile("aa"); p.Server.Host != "bastion.example.com" {
		t.Errorf("%+v", p)
	}
	write(t, l, "profiles/aa.toml", smallest)
	remove(t, l, "profiles/cc.toml")
	if set := load(t, l); names(set) != "aa bb" {
		t.Error(names(set))
	}
}

func TestLastGoodAfterRestart(t *testing.T) {
	l := folder(t, map[string]string{"profiles/aa.toml": smallest, "daemon.toml": "log_level = 'debug'\n"})
	load(t, l)
	write(t, l, "profiles/aa.toml", bad)
	write(t, l, "daemon.toml", bad)
	restarted := &profiles.Loader{Dir: l.Dir, State: l.State, Env: l.Env}
	set, problems := restarted.Load()
	if d, v := set.Daemon(); names(set) != "aa (last_good)" || d.LogLevel != "debug" || v != profiles.LastGood || len(problems) != 3 {
		t.Errorf("%s, %+v %s\n%s", names(set), d, v, lines(problems))
	}
}

func TestCopies(t *testing.T) {
	l := folder(t, map[string]string{"profiles/aa.toml": smallest})
	load(t, l)
	path := filepath.Join(l.State, "last-good", "aa.toml")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		parent, _ := os.Stat(filepath.Dir(path))
		if before.Mode().Perm() != 0o600 || parent.Mode().Perm() != 0o700 {
			t.Errorf("modes %v and %v", before.Mode(), parent.Mode())
		}
	}
	again := &profiles.Loader{Dir: l.Dir, State: l.State, Env: l.Env}
	load(t, again)
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("an unchanged file was written again: %v", err)
	}
	write(t, l, "profiles/aa.toml", smallest+"# more\n")
	load(t, l)
	if text, err := os.ReadFile(path); err != nil || string(text) != smallest+"# more\n" {
		t.Errorf("%q, %v", text, err)
	}
	remove(t, l, "profiles/aa.toml")
	load(t, again)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the copy of a removed file is still there: %v", err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestReadOnly(t *testing.T) {
	l := folder(t, map[string]string{"profiles/aa.toml": smallest})
	load(t, l)
	write(t, l, "profiles/aa.toml", bad)
	write(t, l, "profiles/bb.toml", smallest)
	reader := &profiles.Loader{Dir: l.Dir, State: l.State, Env: l.Env, ReadOnly: true}
	if set, _ := reader.Load(); names(set) != "bb" {
		t.Error(names(set))
	}
	remove(t, l, "profiles/aa.toml")
	load(t, reader)
	left, err := os.ReadDir(filepath.Join(l.State, "last-good"))
	if err != nil || len(left) != 1 || left[0].Name() != "aa.toml" {
		t.Errorf("%v, %v", left, err)
	}
}

func TestUnwritableState(t *testing.T) {
	l := folder(t, map[string]string{"profiles/aa.toml": smallest})
	l.State = filepath.Join(l.Dir, "profiles", "aa.toml") // a file, no folder
	set, problems := l.Load()
	if names(set) != "aa" || len(problems) != 1 || !problems[0].Warning {
		t.Errorf("%s\n%s", names(set), lines(problems))
	}
	write(t, l, "profiles/aa.toml", bad)
	if set, _ := l.Load(); names(set) != "aa (last_good)" {
		t.Error(names(set))
	}
}

func TestUnreadableFolder(t *testing.T) {
	l := folder(t, map[string]string{"profiles/aa.toml": smallest})
	load(t, l)
	remove(t, l, "profiles/aa.toml")
	remove(t, l, "profiles")
	write(t, l, "profiles", "not a folder")
	set, problems := l.Load()
	if names(set) != "aa (last_good)" || len(problems) != 1 || problems[0].File != "profiles" {
		t.Errorf("%s\n%s", names(set), lines(problems))
	}
}

func TestConflicts(t *testing.T) {
	remote := smallest + "[[forward.remote]]\nlisten = '%'\ntarget = 1\n"
	with := func(address string) string { return strings.Replace(remote, "%", address, 1) }
	for _, test := range []struct{ name, first, second, want string }{
		{"localhost and IPv4", listening("localhost:5432"), listening("127.0.0.1:5432"), "aa"},
		{"localhost and IPv6", listening("5432"), listening("[::1]:5432"), "aa"},
		{"localhost and every IPv4", listening("5432"), listening("0.0.0.0:5432"), "aa"},
		{"localhost and everything", listening("5432"), listening("[::]:5432"), "aa"},
		{"two ports", listening("5432"), listening("5433"), "aa bb"},
		{"two addresses", listening("127.0.0.1:1"), listening("127.0.0.2:1"), "aa bb"},
		{"every IPv4 and one IPv6", listening("0.0.0.0:1"), listening("[::1]:1"), "aa bb"},
		{"disabled profile", listening("1"), "enabled = false\n" + listening("1"), "aa bb"},
		{"disabled forward", listening("1"), listening("1") + "enabled = false\n", "aa bb"},
		{"here and there", listening("1"), with("localhost:1"), "aa bb"},
		{"twice there", with("localhost:1"), with("localhost:1"), "aa"},
		{"picked by the server", with("localhost:0"), with("localhost:0"), "aa bb"},
		{"two servers", with("localhost:1"), "server.port = 2222\n" + with("localhost:1"), "aa bb"},
		{"two users", with("localhost:1"), "server.user = 'bob'\n" + with("localhost:1"), "aa bb"},
	} {
		t.Run(test.name, func(t *testing.T) {
			set, problems := folder(t, map[string]string{"profiles/aa.toml": test.first, "profiles/bb.toml": test.second}).Load()
			if names(set) != test.want || (len(problems) == 1) != (test.want == "aa") {
				t.Errorf("%s\n%s", names(set), lines(problems))
			}
		})
	}
}

func TestConflictNamesBothPlaces(t *testing.T) {
	l := folder(t, map[string]string{"profiles/aa.toml": listening("5432"), "profiles/bb.toml": listening("[::1]:5432")})
	_, problems := l.Load()
	want := "profiles/bb.toml:3:1: forward.local[0].listen: [::1]:5432 is taken by the forward local-5432 (profiles/aa.toml:3, localhost:5432); choose another listen address, or disable one of them"
	if lines(problems) != want {
		t.Error(lines(problems))
	}
}

// The one that runs keeps the address, although its name comes later; with
// both running, the one that was edited is at fault and its last good version
// goes on.
func TestConflictWithRunning(t *testing.T) {
	l := folder(t, map[string]string{"profiles/bb.toml": listening("1")})
	running := map[string]bool{"bb": true}
	l.Running = func(name string) bool { return running[name] }
	load(t, l)
	write(t, l, "profiles/aa.toml", listening("1"))
	if set, problems := l.Load(); names(set) != "bb" || problems[0].File != "profiles/aa.toml" {
		t.Errorf("%s\n%s", names(set), lines(problems))
	}
	write(t, l, "profiles/aa.toml", listening("2"))
	load(t, l)
	running["aa"] = true
	write(t, l, "profiles/aa.toml", listening("1"))
	set, problems := l.Load()
	if names(set) != "aa (last_good) bb" || len(problems) != 1 || problems[0].File != "profiles/aa.toml" {
		t.Errorf("%s\n%s", names(set), lines(problems))
	}
	if p, _ := set.Profile("aa"); p.Forwards[0].Listen.Port != 2 {
		t.Errorf("%+v", p.Forwards)
	}
}

func TestLoadFile(t *testing.T) {
	l := folder(t, map[string]string{"daemon.toml": "defaults.link.keepalive = '1s'\n", "profiles/aa.toml": smallest, "Odd Name": smallest, "bad.toml": bad})
	for _, name := range []string{"profiles/aa.toml", "Odd Name"} {
		set, problems := l.LoadFile(filepath.Join(l.Dir, name))
		p, _ := set.Profile(strings.TrimSuffix(filepath.Base(name), ".toml"))
		if len(problems) > 0 || p.Link.Keepalive.Seconds() != 1 {
			t.Errorf("%s: %+v\n%s", name, p, lines(problems))
		}
	}
	if set, problems := l.LoadFile(filepath.Join(l.Dir, "bad.toml")); set.Len() != 0 || len(problems) != 2 || problems[0].File != "bad.toml" {
		t.Error(lines(problems))
	}
	if _, problems := l.LoadFile(filepath.Join(l.Dir, "none.toml")); len(problems) != 1 {
		t.Error(lines(problems))
	}
	if left, _ := os.ReadDir(l.State); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
