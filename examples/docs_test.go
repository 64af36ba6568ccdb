package examples

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tunneld/daemon"
	"tunneld/fault"
	"tunneld/profiles"
)

var update = flag.Bool("update", false, "rewrite the generated parts of README.md")

const readme = "../README.md"

// README's tables say what the code says.
func TestReadmeTables(t *testing.T) {
	text := read(t, readme)
	want := text
	for name, part := range map[string]string{
		"codes": codes(), "profile keys": profileKeys(t), "daemon keys": daemonKeys(t), "metrics": metrics(),
	} {
		want = replacePart(t, want, name, part)
	}
	switch {
	case text == want:
	case *update:
		if err := os.WriteFile(readme, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("README.md is out of date: run go test ./examples -update\n%s", cmp.Diff(strings.Split(text, "\n"), strings.Split(want, "\n")))
	}
}

// replacePart puts part between the two comments that name it.
func replacePart(t *testing.T, text, name, part string) string {
	t.Helper()
	begin, end := "<!-- begin "+name+": made by go test ./examples -update -->\n", "<!-- end "+name+" -->\n"
	before, rest, found := strings.Cut(text, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("README.md has no place for %s: want the lines\n%s%s", name, begin, end)
	}
	return before + begin + part + end + after
}

// codes is a table for each group of codes.
func codes() string {
	var b strings.Builder
	group := ""
	for _, e := range fault.Table() {
		if e.Group != group {
			group = e.Group
			fmt.Fprintf(&b, "\n**%s**\n\n", strings.ToUpper(group[:1])+group[1:])
			b.WriteString(row(codeHeader(group)...) + row(codeRule(group)...))
		}
		b.WriteString(row(codeCells(e)...))
	}
	return b.String() + "\n"
}

// endsLink reports whether a link changes its state because of a group's codes.
func endsLink(group string) bool {
	return group == "transport" || group == "host key" || group == "auth" || group == "link"
}

func codeHeader(group string) []string {
	if endsLink(group) {
		return []string{"Code", "State", "What to do"}
	}
	return []string{"Code", "What to do"}
}

func codeRule(group string) []string {
	rule := codeHeader(group)
	for i := range rule {
		rule[i] = "---"
	}
	return rule
}

func codeCells(e fault.Entry) []string {
	if !endsLink(e.Group) {
		return []string{code(string(e.Code)), e.Hint}
	}
	state := map[fault.Reaction]string{fault.Retry: "waiting", fault.Refuse: "refused", fault.Ask: "blocked"}[e.Reaction]
	return []string{code(string(e.Code)), state, e.Hint}
}

// metrics is the table of what a daemon exports.
func metrics() string {
	var b strings.Builder
	b.WriteString("\n" + row("Metric", "Labels", "") + row("---", "---", "---"))
	for _, m := range daemon.MetricTable() {
		b.WriteString(row(code(m.Name), strings.Join(m.Labels, ", "), m.Help))
	}
	return b.String() + "\n"
}

// profileKeys is the table of the keys.
func profileKeys(t *testing.T) string { return keyTable(t, profiles.Keys()) }

// daemonKeys is the same for daemon.toml.
func daemonKeys(t *testing.T) string { return keyTable(t, ownDaemonKeys()) }

func keyTable(t *testing.T, keys []profiles.Key) string {
	var b strings.Builder
	b.WriteString("\n" + row("Key", "Type", "Default") + row("---", "---", "---"))
	for _, k := range keys {
		b.WriteString(row(code(k.Name), valueType(k), fallback(k)))
	}
	return b.String() + "\n"
}

func valueType(k profiles.Key) string {
	if k.Enum == nil {
		return k.Type
	}
	return strings.Join(k.Enum, ", ")
}

func fallback(k profiles.Key) string {
	switch {
	case k.Required:
		return "required"
	case k.Default == "" && strings.HasPrefix(k.Type, "list"):
		return "empty"
	case k.Default == "":
		return "none"
	}
	return k.Default
}

func code(s string) string { return "`" + s + "`" }

func row(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

var (
	tomlBlock = regexp.MustCompile("(?s)```toml\n(.*?)```")
	localLink = regexp.MustCompile(`\]\(([^):#]+)\)`)
)

// README names every request of the local API.
func TestReadmeHasTheRequests(t *testing.T) {
	text := read(t, readme)
	names := strings.NewReplacer("{name}", "NAME", "{forward}", "FORWARD", "{app}", "APP", "{action}", "up")
	path, found := "", 0
	for line := range strings.Lines(read(t, "../control/openapi.yaml")) {
		if m := openAPIPath.FindStringSubmatch(line); m != nil {
			path = names.Replace(m[1])
		} else if m := openAPIMethod.FindStringSubmatch(line); m != nil {
			found++
			if request := strings.ToUpper(m[1]) + " " + path; !regexp.MustCompile("`" + regexp.QuoteMeta(request) + "[`?]").MatchString(text) {
				t.Errorf("README.md lacks `%s`: add it to the table of the local API", request)
			}
		}
	}
	if found < 15 {
		t.Errorf("%d requests in openapi.yaml", found)
	}
}

var (
	openAPIPath   = regexp.MustCompile(`(?m)^  (/[^:]+):$`)
	openAPIMethod = regexp.MustCompile(`(?m)^    (get|post|put|patch|delete):$`)
)

// Every TOML block of README is a profile that loads.
func TestReadmeProfilesLoad(t *testing.T) {
	blocks := tomlBlock.FindAllStringSubmatch(read(t, readme), -1)
	if len(blocks) == 0 {
		t.Fatal("README.md shows no profile")
	}
	for _, b := range blocks {
		load(t, b[1])
	}
}

// Every link to a file of the tree leads somewhere.
func TestLinks(t *testing.T) {
	for _, page := range []string{"README.md", "ARCHITECTURE.md", "CHANGELOG.md"} {
		for _, m := range localLink.FindAllStringSubmatch(read(t, filepath.Join("..", page)), -1) {
			if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(m[1]))); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}
