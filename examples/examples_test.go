package examples

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"tunneld/profiles"
)

// The examples that are not profiles.
const (
	daemonFile    = "daemon.toml"
	dashboardFile = "grafana-dashboard.json"
	alertsFile    = "alerts.yml"
)

// isDesktopFile says whether a desktop or systemd reads a file.
func isDesktopFile(name string) bool {
	return filepath.Ext(name) == ".desktop" || filepath.Ext(name) == ".service"
}

// What desktops and systemd read has a section, keys, and a command of ours.
func TestDesktopFiles(t *testing.T) {
	line := regexp.MustCompile(`^(#.*|\[[A-Z][A-Za-z ]*\]|[A-Z][A-Za-z]*=\S.*)?$`)
	for _, pattern := range []string{"*.desktop", "*.service"} {
		files, _ := filepath.Glob(pattern) // the pattern is good
		for _, file := range files {
			text := read(t, file)
			for l := range strings.Lines(text) {
				if !line.MatchString(strings.TrimSuffix(l, "\n")) {
					t.Errorf("%s: %q", file, l)
				}
			}
			if !regexp.MustCompile(`(?m)^Exec(Start)?=tunneld (display|launch \S+)$`).MatchString(text) {
				t.Errorf("%s runs no command of tunneld", file)
			}
		}
	}
}

// loader reads a configuration folder made of files, by their path in it.
func loader(t *testing.T, files map[string]string) *profiles.Loader {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &profiles.Loader{Dir: dir, Env: profiles.Environment{User: "ana", Home: "/home/ana"}}
}

// load reads one profile, which must have no problem.
func load(t *testing.T, text string) profiles.Set {
	t.Helper()
	set, problems := loader(t, map[string]string{"profiles/example.toml": text}).Load()
	for _, p := range problems {
		t.Error(p)
	}
	if set.Len() != 1 {
		t.Fatalf("%d profiles, want 1", set.Len())
	}
	return set
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every file of this folder is a test, daemon.toml, or a profile without a
// problem that does something.
func TestEveryExampleLoads(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		switch {
		case e.Name() == "container", e.Name() == "kubernetes": // tunneld's tests run what is in them
		case e.Name() == daemonFile, e.Name() == dashboardFile, e.Name() == alertsFile, isDesktopFile(e.Name()), filepath.Ext(e.Name()) == ".go":
		case filepath.Ext(e.Name()) != ".toml":
			t.Errorf("%s: no test loads it", e.Name())
		default:
			t.Run(e.Name(), func(t *testing.T) {
				p, _ := load(t, read(t, e.Name())).Profile("example")
				if p.Description == "" || len(p.Forwards)+len(p.X11.Apps) == 0 {
					t.Errorf("description %q, %d forwards, %d programs: an example is good for something", p.Description, len(p.Forwards), len(p.X11.Apps))
				}
			})
		}
	}
}

func TestDaemonExampleLoads(t *testing.T) {
	set, problems := loader(t, map[string]string{daemonFile: read(t, daemonFile)}).Load()
	for _, p := range problems {
		t.Error(p)
	}
	if _, version := set.Daemon(); version != profiles.Current {
		t.Errorf("%s: version %q", daemonFile, version)
	}
}

// The two references name every key.
func TestReferencesAreComplete(t *testing.T) {
	for _, c := range []struct {
		file string
		keys []profiles.Key
	}{{"full.toml", profiles.Keys()}, {daemonFile, ownDaemonKeys()}} {
		written := keysOf(t, c.file)
		for _, k := range c.keys {
			if !slices.Contains(written, strings.ReplaceAll(k.Name, "[]", "")) {
				t.Errorf("%s does not name %s", c.file, k.Name)
			}
		}
	}
}

func keysOf(t *testing.T, file string) []string {
	t.Helper()
	var any map[string]any
	meta, err := toml.DecodeFile(file, &any)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, k := range meta.Keys() {
		names = append(names, k.String())
	}
	return names
}

// ownDaemonKeys are those of daemon.toml but for [defaults], whose keys are a
// profile's.
func ownDaemonKeys() []profiles.Key {
	return slices.DeleteFunc(profiles.DaemonKeys(), func(k profiles.Key) bool { return strings.HasPrefix(k.Name, "defaults.") })
}

// A line of full.toml has the default, or says that it is an example.
func TestFullHasTheDefaults(t *testing.T) {
	text := read(t, "full.toml")
	examples := map[string]bool{"auth.identities_only": true} // follows from identity_files
	table := ""
	for line := range strings.Lines(text) {
		if m := tableHeader.FindStringSubmatch(line); m != nil {
			table = m[1] + "."
		}
		if key, comment, ok := strings.Cut(line, " = "); ok && strings.Contains(comment, "# example") {
			examples[table+key] = true
		}
	}
	defaults := map[string]string{}
	for _, s := range load(t, smallest).Show("example") {
		defaults[s.Key] = s.Value
	}
	for _, s := range load(t, text).Show("example") {
		if !examples[strings.ReplaceAll(s.Key, "[0]", "")] && s.Value != defaults[s.Key] {
			t.Errorf("full.toml: %s = %s, the default is %s", s.Key, s.Value, defaults[s.Key])
		}
	}
}

var tableHeader = regexp.MustCompile(`^\[+([a-z0-9_.]+)\]+`)

// smallest is a profile with all that must be written.
const smallest = `
server.host = "bastion.example.com"
forward.local = [{ listen = 5432, target = "db.internal:5432" }]
forward.remote = [{ listen = 8080, target = 3000 }]
forward.dynamic = [{ listen = 1080 }]
x11.app = [{ name = "xterm", command = "xterm" }]
`
