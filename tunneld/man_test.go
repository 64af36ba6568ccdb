package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"tunneld/examples"
	"tunneld/profiles"
)

// Every page is there, and mandoc finds nothing to warn of.
func TestManualPages(t *testing.T) {
	if _, err := exec.LookPath("mandoc"); err != nil {
		t.Skip("no mandoc")
	}
	dir := t.TempDir()
	out, errs, status := command(t, "man", dir)
	wants(t, "man", out, errs, status, 0, "/man1/tunneld.1\n", "/man1/tunneld-secret-set.1\n", "/man5/tunneld-profile.5\n")
	pages := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		pages++
		if said, err := exec.CommandContext(t.Context(), "mandoc", "-T", "lint", "-W", "style", path).CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("%s: %v\n%s", path, err, said)
		}
		return nil
	})
	if want := len(allCommands(newRoot())) + 1; err != nil || pages != want {
		t.Errorf("%d pages, want %d, %v", pages, want, err)
	}
	again := t.TempDir()
	command(t, "man", again)
	if err := exec.CommandContext(t.Context(), "diff", "-r", dir, again).Run(); err != nil {
		t.Errorf("the pages differ from one run to the next: %v", err)
	}
}

// What a page says is read as it was meant.
func TestManPageShowsWhatWasMeant(t *testing.T) {
	if _, err := exec.LookPath("mandoc"); err != nil {
		t.Skip("no mandoc")
	}
	path := filepath.Join(t.TempDir(), "x.1")
	p := newManPage("x", "1", "a name")
	p.section("ODD")
	p.text(`.dot 'quote' "double" 'lab-*' a\b ~/x -- ^ ` + "`sh` 100%")
	p.code(".dot\n'quote\n  two  spaces")
	if err := os.WriteFile(path, []byte(p.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "mandoc", "-T", "ascii", "-O", "width=120", path).Output()
	for _, want := range []string{`.dot 'quote' "double" 'lab-*' a\b ~/x -- ^ ` + "`sh` 100%", "     .dot\n", "     'quote\n", "  two  spaces\n"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s%v", want, out, err)
		}
	}
}

// The page of profiles has every key of the files that the schema is held
// against, and says something about it.
func TestProfilePage(t *testing.T) {
	page := profilePage()
	if strings.Contains(page, "As its name says") {
		t.Error("a key has no words in full.toml or daemon.toml")
	}
	for file, schema := range map[string][]profiles.Key{examples.Profile: profiles.Keys(), examples.Daemon: profiles.DaemonKeys()} {
		known := map[string]bool{}
		for _, k := range schema {
			known[k.Name] = true
		}
		for _, k := range commentedKeys(file) {
			if !known[k.name] {
				t.Errorf("%s is no key", k.name)
			}
			if !strings.HasPrefix(k.name, "defaults.") && !strings.Contains(page, bold(k.name)) {
				t.Errorf("no %s", k.name)
			}
		}
	}
}

// Every command says what it does and shows how, with flags that it has.
func TestEveryCommandIsExplained(t *testing.T) {
	for _, c := range allCommands(newRoot()) {
		if c.Name() == "help" {
			continue
		}
		if c.Short == "" || c.HasAvailableLocalFlags() && c.Long == "" {
			t.Errorf("%s: short %q, long %q", c.CommandPath(), c.Short, c.Long)
		}
		if c.Example == "" {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			exampleParses(t, c.CommandPath(), strings.TrimSpace(line))
		}
	}
}

// No line of a help text is wider than a small terminal, but for examples.
func TestHelpFits(t *testing.T) {
	for _, c := range allCommands(newRoot()) {
		text := strings.Replace(c.Long+"\n"+c.UsageString(), c.Example, "", 1)
		for line := range strings.Lines(text) {
			if len(strings.TrimRight(line, "\n")) > helpWidth {
				t.Errorf("%s: %q", c.CommandPath(), line)
			}
		}
	}
}

// Whatever README has somebody type is there, too.
func TestREADMEsCommands(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	inBlock, checked := false, 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "```") {
			inBlock = !inBlock
		}
		line = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(line), "$ "), "sudo ")
		if inBlock && strings.HasPrefix(line, "tunneld ") {
			line, _, _ = strings.Cut(line, " #")
			exampleParses(t, "README.md", line)
			checked++
		}
	}
	if checked < 20 {
		t.Errorf("only %d commands were found", checked)
	}
}

// ours is the part of a shell's line that is for the program.
var ours = regexp.MustCompile(`(?:^| )tunneld ([^|<>]*)`)

// byOthers is our command in a line of a program that runs it.
var byOthers = regexp.MustCompile(`'tunneld ([a-z-]+)`)

// exampleParses reads an example as the shell and the command would, up to
// where its output goes.
func exampleParses(t *testing.T, of, line string) {
	t.Helper()
	if inner := byOthers.FindStringSubmatch(line); inner != nil {
		if c, _, err := newRoot().Find(inner[1:]); err != nil || c.Name() != inner[1] {
			t.Errorf("%s: example %q: no such command, %v", of, line, err)
		}
		return
	}
	words := ours.FindStringSubmatch(line)
	if words == nil {
		t.Errorf("%s: example %q is not of tunneld", of, line)
		return
	}
	root := newRoot()
	c, rest, err := root.Find(strings.Fields(strings.ReplaceAll(words[1], "'", "")))
	if err != nil || c == root {
		t.Errorf("%s: example %q: no such command, %v", of, line, err)
		return
	}
	if err := c.ParseFlags(rest); err != nil && err != pflag.ErrHelp {
		t.Errorf("%s: example %q: %v", of, line, err)
	} else if err := c.ValidateArgs(c.Flags().Args()); err != nil {
		t.Errorf("%s: example %q: %v", of, line, err)
	}
}
