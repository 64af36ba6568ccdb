package files_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/internal/sshtest"
)

// odd are names that a shell, a glob or a terminal would spoil.
var odd = []string{
	"plain", "with space", " lead and trail ", "new\nline", "tab\t", "\xff\xfe not UTF-8", "ünïcödé", "*.go", "?", "[a-z]", "~", "-rf",
	"back\\slash", "quo'te\"s", "$(touch x)", "semi;colon", "co:lon", "...", ".hidden", "\x1b[31mred", strings.Repeat("n", 255),
}

// sizes are those where something may go wrong.
var sizes = []int{0, 1, 32<<10 - 1, 32 << 10, 32<<10 + 1, 64 << 10, 100_000, 2<<20 + 7, 3 << 20}

// A tree goes there and comes back as it was, whatever its names are.
func TestRoundTrip(t *testing.T) {
	sshtest.NeedUnix(t, "such names")
	c, dir := newCopier(newServer(t)), t.TempDir()
	s := filepath.Join(dir, "source")
	for i, name := range odd {
		write(t, filepath.Join(s, name), noise(i), 0o644)
		if len(name) < 200 {
			write(t, filepath.Join(s, "folder "+name, name), []byte(name), 0o644)
		}
	}
	for i, size := range sizes {
		write(t, filepath.Join(s, "sizes", string(rune('a'+i))), noise(size), 0o644)
	}
	ok(t, os.Mkdir(filepath.Join(s, "empty"), 0o755))
	c.Recursive = true
	ok(t, c.copyOne(t, true, s, filepath.Join(dir, "there")))
	ok(t, c.copyOne(t, false, filepath.Join(dir, "there"), filepath.Join(dir, "back")))
	want := picture(t, s)
	for _, name := range []string{"there", "back"} {
		if got := picture(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
	}
	if n := strings.Count(want, "\n") + 1 - strings.Count(want, " folder"); c.last.Files != n {
		t.Errorf("%+v, of %d", c.last, n)
	}
}

// Where a copy ends up: as with cp.
func TestPlaces(t *testing.T) {
	for name, test := range map[string]struct {
		sources []string
		target  string
		made    string // of the first source
		fails   string
	}{
		"a new name":             {sources: []string{"file"}, target: "new", made: "new"},
		"over a file":            {sources: []string{"file"}, target: "old", made: "old"},
		"into a folder":          {sources: []string{"file"}, target: "into", made: "into/file"},
		"with a slash":           {sources: []string{"file"}, target: "into/", made: "into/file"},
		"as a folder that isn't": {sources: []string{"file"}, target: "none/", fails: "none/: not a folder"},
		"two files":              {sources: []string{"file", "tree/leaf"}, target: "into", made: "into/file"},
		"two as one":             {sources: []string{"file", "tree/leaf"}, target: "new", fails: "new: not a folder"},
		"two over one":           {sources: []string{"file", "tree/leaf"}, target: "old", fails: "old: not a folder"},
		"a tree as a new one":    {sources: []string{"tree"}, target: "new", made: "new/leaf"},
		"a tree into a folder":   {sources: []string{"tree"}, target: "into", made: "into/tree/leaf"},
		"a tree with a slash":    {sources: []string{"tree/"}, target: "into", made: "into/tree/leaf"},
		"what is in a tree":      {sources: []string{"tree/."}, target: "into", made: "into/leaf"},
		"what is above":          {sources: []string{"tree/deep/.."}, target: "into", made: "into/leaf"},
		"a tree over a file":     {sources: []string{"tree"}, target: "old", fails: "not a folder"},
		"through a link":         {sources: []string{"file"}, target: "link", made: "old"},
		"through a folder link":  {sources: []string{"file"}, target: "linked", made: "into/file"},
		"no folder for it":       {sources: []string{"file"}, target: "none/new", fails: "no such file or folder"},
		"no source":              {sources: []string{"none"}, target: "new", fails: "none: no such file or folder"},
		"a source that dangles":  {sources: []string{"dangling"}, target: "new", fails: "dangling: a symbolic link that leads nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, up bool) {
				from, to := t.TempDir(), t.TempDir()
				write(t, filepath.Join(from, "file"), []byte("new text"), 0o644)
				write(t, filepath.Join(from, "tree", "leaf"), []byte("new text"), 0o644)
				ok(t, os.Mkdir(filepath.Join(from, "tree", "deep"), 0o755))
				ok(t, os.Symlink("nowhere", filepath.Join(from, "dangling")))
				write(t, filepath.Join(to, "old"), []byte("old text, which is longer"), 0o644)
				ok(t, os.Mkdir(filepath.Join(to, "into"), 0o755))
				ok(t, os.Symlink("old", filepath.Join(to, "link")))
				ok(t, os.Symlink("into", filepath.Join(to, "linked")))
				c := newCopier(newServer(t))
				c.Recursive = true
				var sources []string
				for _, s := range test.sources {
					sources = append(sources, from+"/"+s)
				}
				run := c.Download
				if up {
					run = c.Upload
				}
				err := run(patient(t), sources, to+"/"+test.target)
				if test.fails != "" {
					if err == nil || !strings.HasSuffix(err.Error()+strings.Join(c.failed, ""), test.fails) {
						t.Errorf("%v %q, want %s", err, c.failed, test.fails)
					}
					same(t, filepath.Join(to, "old"), []byte("old text, which is longer"))
					return
				}
				ok(t, err)
				same(t, filepath.Join(to, test.made), []byte("new text"))
				if left := leftovers(t, to); left != nil {
					t.Error(left)
				}
			})
		})
	}
}

// Paths on the server begin at home.
func TestHome(t *testing.T) {
	home, here := t.TempDir(), t.TempDir()
	c := newCopier(newServer(t, "-d", home))
	write(t, filepath.Join(here, "a"), []byte("a"), 0o644)
	for target, made := range map[string]string{"": "a", "~": "a", "~/b": "b", "c": "c", "~//d": "d", "./~": "~"} {
		ok(t, c.copyOne(t, true, filepath.Join(here, "a"), target))
		same(t, filepath.Join(home, made), []byte("a"))
	}
	ok(t, c.copyOne(t, false, "~/c", filepath.Join(here, "back")))
	same(t, filepath.Join(here, "back"), []byte("a"))
}
