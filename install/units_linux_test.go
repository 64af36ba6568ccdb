package install

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/fault"
)

// A unit names the program as systemd reads it: spaces, quotes and its own
// escapes arrive as they are.
func TestUnitNamesTheProgram(t *testing.T) {
	for program, want := range map[string]string{
		"/usr/bin/tunneld":      "/usr/bin/tunneld",
		"/opt/my tools/tunneld": `"/opt/my tools/tunneld"`,
		`/opt/a"b\c/tunneld`:    `"/opt/a\"b\\c/tunneld"`,
		"/opt/100%/tunneld":     `"/opt/100%%/tunneld"`,
	} {
		for user, verb := range map[bool]string{false: "run --system", true: "run --user"} {
			unit := Service{Program: program, User: user}.unit()
			if line := "\nExecStart=" + want + " " + verb + "\n"; strings.Count(unit, line) != 1 || strings.Count(unit, "\nExecStart=") != 1 {
				t.Errorf("%s: no line %q in\n%s", program, line, unit)
			}
		}
	}
}

// The machine's service may not run what others than root could replace, or what
// its unit hides from it.
func TestCheckProgram(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root writes where a service looks")
	}
	dir, err := os.MkdirTemp("/opt", "tunneld-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "tunneld")
	for name, c := range map[string]struct {
		folder, file os.FileMode
		owner        int // of the file
		want         string
	}{
		"good":       {0o755, 0o755, 0, ""},
		"its group":  {0o755, 0o775, 0, "others than root can change " + path},
		"its owner":  {0o755, 0o755, 1234, "others than root can change " + path},
		"its folder": {0o777, 0o755, 0, "others than root can change " + dir},
	} {
		_ = os.Remove(path)
		if err := os.WriteFile(path, nil, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{os.Chown(path, c.owner, 0), os.Chmod(path, c.file), os.Chmod(dir, c.folder)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		wantFault(t, name, checkProgram(path), c.want)
	}
	wantFault(t, "hidden", checkProgram("/home/ana/tunneld"), "the service would not see /home/ana/tunneld")
}

func wantFault(t *testing.T, name string, err error, words string) {
	t.Helper()
	switch {
	case words == "" && err != nil:
		t.Errorf("%s: %v", name, err)
	case words != "" && (fault.CodeOf(err) != fault.PermissionDenied || !strings.Contains(err.Error(), words) || fault.HintOf(err) == ""):
		t.Errorf("%s: %v, want %q and what to do", name, err, words)
	}
}
