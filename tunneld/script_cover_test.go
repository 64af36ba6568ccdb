package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// triedElsewhere are commands whose good use needs more than a script has: an X
// server, a keyring, a service manager.
var triedElsewhere = map[string]bool{
	"x11": true, "launch": true, "display": true,
	"secret set": true, "secret remove": true,
	"service install": true, "service uninstall": true, "service start": true,
	"service stop": true, "service restart": true, "service status": true,
}

// Every command has scripts that use it well, and wrongly.
func TestEveryCommandHasScripts(t *testing.T) {
	scripts := readScripts(t)
	root := newRoot()
	for _, c := range below(root) {
		words := strings.TrimPrefix(c.CommandPath(), root.Name()+" ")
		use := ` tunneld ` + regexp.QuoteMeta(words) + `( |$)`
		if well := regexp.MustCompile(`(?m)^(\[\S+\] )?(exec|until .*)` + use); !well.MatchString(scripts) && !triedElsewhere[words] {
			t.Errorf("no script uses %q", words)
		}
		if wrongly := regexp.MustCompile(`(?m)^fails \d+` + use); !wrongly.MatchString(scripts) {
			t.Errorf("no script uses %q wrongly", words)
		}
	}
}

// readScripts returns the lines of all scripts.
func readScripts(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
