package structure

import (
	"encoding/json"
	"go/ast"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "tunneld"

// leaves know nothing of each other.
var leaves = []string{
	"fault", "profiles", "identity", "link", "forward", "x11", "shell", "files", "control", "install",
}

// star says which folders a folder may import beside itself.
var star = map[string][]string{
	"fault":    nil,
	"profiles": {"fault", "internal/access", "internal/wholefile"},
	"identity": {"fault", "internal/access", "internal/wholefile"},
	"link":     {"fault", "identity"},
	"forward":  {"fault"},
	"x11":      {"fault"},
	"shell":    {"fault"},
	"files":    {"fault"},
	"control":  {"fault", "internal/access"},
	"install":  {"fault", "internal/access", "internal/wholefile"},
	"daemon":   append([]string{"internal/logfile", "internal/trigger", "internal/wholefile"}, leaves...),
	"tunneld":  append([]string{"daemon", "examples", "internal/demo", "internal/logfile", "internal/handover", "internal/sshserver", "internal/terminal"}, leaves...),
	"examples": {"profiles"},

	"internal/access":    nil,
	"internal/demo":      append([]string{"daemon", "internal/sshserver"}, leaves...),
	"internal/handover":  nil,
	"internal/logfile":   nil,
	"internal/sshserver": nil,
	"internal/sshtest":   {"internal/sshserver"},
	"internal/structure": nil,
	"internal/terminal":  nil,
	"internal/trigger":   nil,
	"internal/wholefile": nil,
}

// folder is the name in the star of the package at a slash-separated path.
func folder(path string) string {
	parts := strings.SplitN(path, "/", 3)
	if parts[0] == "internal" && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

func TestImportsFormAStar(t *testing.T) {
	for _, f := range sources(t) {
		if f.isTest() {
			continue
		}
		from := folder(f.dir)
		allowed, known := star[from]
		if !known {
			t.Errorf("%s: folder %s is not in the star: give it a line there", f.path, from)
			continue
		}
		for _, path := range f.imports() {
			rest, ours := strings.CutPrefix(path, module+"/")
			if to := folder(rest); ours && to != from && !slices.Contains(allowed, to) {
				t.Errorf("%s: %s may not import %s", f.path, from, to)
			}
		}
	}
}

func TestEveryPackageIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range sources(t) {
		if !f.isTest() {
			documented[f.dir] = documented[f.dir] || f.syntax.Doc != nil
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no doc comment above the package clause", dir)
		}
	}
}

func TestNoInit(t *testing.T)              { report(t, initFunction) }
func TestExitStandsInMain(t *testing.T)    { report(t, exitInLibrary) }
func TestGoroutinesHaveNames(t *testing.T) { report(t, anonymousGoroutine) }

// The checks see what they are for, and nothing else.
func TestChecks(t *testing.T) {
	for _, c := range []struct {
		look func(ast.Node, *source) string
		code string
		want int
	}{
		{initFunction, "package a; func init() {}", 1},
		{initFunction, "package a; type t int; func (t) init() {}", 0},
		{exitInLibrary, "package a; import \"os\"; func f() { os.Exit(1) }", 1},
		{exitInLibrary, "package a; import \"os\"; var exit = os.Exit", 1},
		{exitInLibrary, "package main; import \"os\"; func main() { os.Exit(1) }", 0},
		{anonymousGoroutine, "package a; func f() { go func() {}() }", 1},
		{anonymousGoroutine, "package a; func f() { go f() }", 0},
	} {
		if got := parse(t, "a/a.go", []byte(c.code)).find(c.look); len(got) != c.want {
			t.Errorf("%s: %q, want %d", c.code, got, c.want)
		}
	}
}

func initFunction(n ast.Node, _ *source) string {
	if fn, ok := n.(*ast.FuncDecl); ok && fn.Name.Name == "init" && fn.Recv == nil {
		return "an init function runs unasked: call it from where it is needed"
	}
	return ""
}

func exitInLibrary(n ast.Node, f *source) string {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Exit" || f.syntax.Name.Name == "main" {
		return ""
	}
	if id, ok := sel.X.(*ast.Ident); ok && id.Name == "os" {
		return "os.Exit in a library: return an error"
	}
	return ""
}

func anonymousGoroutine(n ast.Node, _ *source) string {
	if g, ok := n.(*ast.GoStmt); ok {
		if _, anonymous := g.Call.Fun.(*ast.FuncLit); anonymous {
			return "an anonymous goroutine: name its function, so that dumps speak"
		}
	}
	return ""
}

func TestDependenciesAreExplained(t *testing.T) {
	text, err := os.ReadFile(root(t) + "/ARCHITECTURE.md")
	if os.IsNotExist(err) {
		return // nothing to compare with yet
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "mod", "edit", "-json")
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	for _, r := range mod.Require {
		if !r.Indirect && !strings.Contains(string(text), shortPath(r.Path)) {
			t.Errorf("go.mod requires %s: ARCHITECTURE.md should say why", r.Path)
		}
	}
}

var versionSuffix = regexp.MustCompile(`/v[0-9]+$`)

// shortPath is how people write a module: x/crypto, BurntSushi/toml.
func shortPath(path string) string {
	path = versionSuffix.ReplaceAllString(path, "")
	for _, host := range []string{"github.com/", "golang.org/"} {
		path = strings.TrimPrefix(path, host)
	}
	return path
}

// machinePath matches an absolute path of a folder that only one machine has;
// written in parts, or this file would match.
var machinePath = regexp.MustCompile("(?m)(^|[\\s\"'`=:(<>])/wo" + "rk/\\w")

func TestMachinePath(t *testing.T) {
	for text, want := range map[string]bool{
		"see /wo" + "rk/main/x.go":       true,
		"DIR=/wo" + "rk/x":               true,
		"POST /v1/profiles/wo" + "rk/up": false,
		"profiles/wo" + "rk/x":           false,
	} {
		if machinePath.MatchString(text) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
}

func TestNoMachinePaths(t *testing.T) {
	for path, text := range texts(t) {
		if at := machinePath.FindIndex(text); at != nil {
			line := 1 + strings.Count(string(text[:at[1]]), "\n")
			t.Errorf("%s:%d: a path of one machine", path, line)
		}
	}
}
