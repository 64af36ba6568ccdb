package profiles_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/profiles"
)

const systemProfile = "server = { host = 'bastion.example.com', user = 'ana' }\n"

// The machine's profiles are read only where nobody else can change them; an
// account's own are its own affair.
func TestSystemFilesOthersCanChange(t *testing.T) {
	for _, c := range []struct {
		name, path string
		mode       os.FileMode
		owner      int
		hint       string
	}{
		{"file", "profiles/work.toml", 0o666, 0, "chmod go-w "},
		{"group", "profiles/work.toml", 0o660, 0, "chmod go-w "},
		{"owner", "profiles/work.toml", 0o600, 1234, "chown root "},
		{"folder", "profiles", 0o777, 0, "chmod go-w "},
		{"top", ".", 0o777, 0, "chmod go-w "},
		{"above", "..", 0o777, 0, "chmod go-w "},
		{"above, owner", "..", 0o755, 1234, "chown root "},
		{"settings", "daemon.toml", 0o622, 0, "chmod go-w "},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.owner != 0 && os.Geteuid() != 0 {
				t.Skip("only root gives files away")
			}
			l := folder(t, map[string]string{"profiles/work.toml": systemProfile, "daemon.toml": ""})
			path := filepath.Join(l.Dir, c.path)
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			if c.owner != 0 {
				if err := os.Chown(path, c.owner, -1); err != nil {
					t.Fatal(err)
				}
			}
			load(t, l) // of a person
			l = &profiles.Loader{Dir: l.Dir, Env: environment()}
			l.Env.System = true
			_, problems := l.Load()
			if text := lines(problems); !strings.Contains(text, "others can change "+path) {
				t.Errorf("problems:\n%s", text)
			}
			for _, p := range problems {
				if !strings.HasPrefix(p.Hint, c.hint+path) {
					t.Errorf("hint %q", p.Hint)
				}
			}
		})
	}
}

// A copy in the state folder that others put there, or can change, stands in for
// nothing, and is replaced by the next good version.
func TestSystemCopiesOthersCanChange(t *testing.T) {
	for name, plant := range map[string]func(l *profiles.Loader) error{
		"file":   func(l *profiles.Loader) error { return os.Chmod(copyOf(l, "work"), 0o666) },
		"folder": func(l *profiles.Loader) error { return os.Chmod(filepath.Dir(copyOf(l, "work")), 0o777) },
		"owner":  func(l *profiles.Loader) error { return os.Chown(copyOf(l, "work"), 1234, -1) },
	} {
		t.Run(name, func(t *testing.T) {
			if name == "owner" && os.Geteuid() != 0 {
				t.Skip("only root gives files away")
			}
			l := folder(t, map[string]string{"profiles/work.toml": systemProfile})
			l.Env.System = true
			load(t, l)
			write(t, l, "profiles/work.toml", "bad\n")
			if set, _ := restarted(l).Load(); names(set) != "work (last_good)" {
				t.Fatalf("not planted: %s", names(set))
			}
			if err := plant(l); err != nil {
				t.Fatal(err)
			}
			if set, problems := restarted(l).Load(); names(set) != "" {
				t.Errorf("planted: %s\n%s", names(set), lines(problems))
			}
			if name == "folder" {
				return
			}
			write(t, l, "profiles/work.toml", systemProfile)
			load(t, restarted(l))
			write(t, l, "profiles/work.toml", "bad\n")
			if set, _ := restarted(l).Load(); names(set) != "work (last_good)" {
				t.Errorf("not replaced: %s", names(set))
			}
		})
	}
}

// What others say was not kept is taken all the same.
func TestSystemTrialOthersCanChange(t *testing.T) {
	l := folder(t, map[string]string{"profiles/work.toml": systemProfile})
	l.Env.System = true
	before := load(t, l)
	write(t, l, "profiles/work.toml", systemProfile+"description = 'new'\n")
	must(t, l.Try(before, load(t, l)))
	if set, _ := restarted(l).Load(); names(set) != "work (last_good)" {
		t.Fatalf("not on trial: %s", names(set))
	}
	must(t, os.Chmod(filepath.Join(l.State, "last-good", "trial.json"), 0o666))
	if set, _ := restarted(l).Load(); names(set) != "work" {
		t.Errorf("undone by others: %s", names(set))
	}
}

// Nothing is kept in a folder of others, and that is told.
func TestSystemCopiesInAFolderOfOthers(t *testing.T) {
	l := folder(t, map[string]string{"profiles/work.toml": systemProfile})
	l.Env.System = true
	last := filepath.Dir(copyOf(l, "work"))
	if err := errors.Join(os.MkdirAll(last, 0o700), os.Chmod(last, 0o777)); err != nil {
		t.Fatal(err)
	}
	set, problems := l.Load()
	if names(set) != "work" || !strings.Contains(lines(problems), "last good copies cannot be kept: others can change "+last) {
		t.Errorf("%s\n%s", names(set), lines(problems))
	}
	if files, err := os.ReadDir(last); err != nil || len(files) != 0 {
		t.Error(files, err)
	}
}

// Host keys that others could have put into the state folder vouch for nobody.
// Who only reads the profiles may be another account than the service.
func TestSystemKnownHostsOthersCanChange(t *testing.T) {
	l := folder(t, map[string]string{"profiles/work.toml": systemProfile})
	l.Env.System = true
	known := filepath.Join(l.State, "known_hosts")
	if err := os.WriteFile(known, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	load(t, l)
	if err := os.Chmod(known, 0o666); err != nil {
		t.Fatal(err)
	}
	set, problems := restarted(l).Load()
	if names(set) != "" || !strings.Contains(lines(problems), "others can change "+known) {
		t.Errorf("%s\n%s", names(set), lines(problems))
	}
	reader := restarted(l)
	reader.ReadOnly = true
	load(t, reader)
	write(t, l, "profiles/work.toml", systemProfile+"host_key.known_hosts = ['/etc/ssh/ssh_known_hosts']\n")
	load(t, restarted(l))
}

func copyOf(l *profiles.Loader, name string) string {
	return filepath.Join(l.State, "last-good", name+".toml")
}

// A system set of good files has no problem.
func TestSystemFiles(t *testing.T) {
	l := folder(t, map[string]string{"profiles/work.toml": systemProfile})
	l.Env.System = true
	if _, ok := load(t, l).Profile("work"); !ok {
		t.Error("no profile")
	}
}

// In a folder such as /tmp others cannot replace what is not theirs.
func TestSystemFilesInStickyFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only in root's")
	}
	l := folder(t, map[string]string{"profiles/work.toml": systemProfile})
	l.Env.System = true
	if err := os.Chmod(filepath.Dir(l.Dir), 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	load(t, l)
}

// What root writes for a service, the service's group can read.
func TestCreateFileSharesWithTheFoldersGroup(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root writes for others")
	}
	for mode, want := range map[os.FileMode]os.FileMode{0o750: 0o640, 0o700: 0o600} {
		dir := t.TempDir()
		if err := os.Chown(dir, 0, 1235); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "work.toml")
		if err := profiles.CreateFile(path, []byte(smallest)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("in a folder of mode %o: %o, want %o", mode, info.Mode().Perm(), want)
		}
	}
}
