package profiles_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"tunneld/profiles"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// smallest is the profile of the documentation that says the least.
const smallest = "server.host = \"bastion.example.com\"\n"

// variables are what ${NAME} finds in tests.
func variables(name string) (string, bool) {
	v, ok := map[string]string{"APPDATA": "/appdata", "HOSTPART": "bastion", "PORT": "5432"}[name]
	return v, ok
}

func environment() profiles.Environment {
	return profiles.Environment{Home: "/home/ana", User: "ana", Getenv: variables}
}

// folder writes files and returns a loader on them.
func folder(t testing.TB, files map[string]string) *profiles.Loader {
	t.Helper()
	l := &profiles.Loader{Dir: t.TempDir(), State: t.TempDir(), Env: environment()}
	for name, text := range files {
		write(t, l, name, text)
	}
	return l
}

func write(t testing.TB, l *profiles.Loader, name, text string) {
	t.Helper()
	path := filepath.Join(l.Dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, l *profiles.Loader, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(l.Dir, filepath.FromSlash(name))); err != nil {
		t.Fatal(err)
	}
}

// load expects no problems.
func load(t testing.TB, l *profiles.Loader) profiles.Set {
	t.Helper()
	set, problems := l.Load()
	if len(problems) > 0 {
		t.Fatalf("problems:\n%s", lines(problems))
	}
	return set
}

// one loads a single profile that is named lab and has no problems.
func one(t testing.TB, text string) profiles.Profile {
	t.Helper()
	p, ok := load(t, folder(t, map[string]string{"profiles/lab.toml": text})).Profile("lab")
	if !ok {
		t.Fatal("no profile")
	}
	return p
}

func lines(problems []profiles.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		b.WriteString(p.Error() + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// names lists a set as "name" or "name (last_good)".
func names(s profiles.Set) string {
	var all []string
	for p := range s.All() {
		name := p.Name
		if v := s.Version(name); v != profiles.Current {
			name += " (" + string(v) + ")"
		}
		all = append(all, name)
	}
	return strings.Join(all, " ")
}

// restarted is l in a new process.
func restarted(l *profiles.Loader) *profiles.Loader {
	return &profiles.Loader{Dir: l.Dir, State: l.State, Env: l.Env}
}
