package files

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// A name that is accepted stands in its folder, on every system.
func FuzzNameHere(f *testing.F) {
	for _, name := range []string{"a", "", ".", "..", "a/b", `a\b`, "C:", "con", "a:b", "\x00", "..."} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if nameHere(name) != nil {
			return
		}
		folder := filepath.Join("x", "y")
		if path := here.join(folder, name); filepath.Dir(path) != folder || here.base(path) != name {
			t.Errorf("%q becomes %q", name, path)
		}
	})
}

// What is shown moves no cursor, and different paths are shown differently.
func FuzzShown(f *testing.F) {
	f.Add("a b", "a\nb")
	f.Add("\x1b[2J", "\xff")
	f.Fuzz(func(t *testing.T, a, b string) {
		shown := Shown(a)
		if strings.ContainsFunc(shown, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is shown as %q", a, shown)
		}
		if a != b && shown == Shown(b) && !strings.HasPrefix(shown, `"`) {
			t.Errorf("%q and %q are shown alike", a, b)
		}
	})
}

func TestRemotePath(t *testing.T) {
	for path, want := range map[string]string{
		"": ".", "~": ".", "~/": ".", "~/a": "a", "~/~": "~", "a": "a", "/a/../b": "/a/../b", "~ana": "~ana", "a/~/b": "a/~/b",
	} {
		if got := remotePath(path); got != want {
			t.Errorf("%q is %q, want %q", path, got, want)
		}
	}
	for _, c := range [][3]string{{".", "a", "a"}, {"/", "a", "/a"}, {"a/", "b", "a/b"}, {"a/..", "b", "a/../b"}} {
		if got := joinThere(c[0], c[1]); got != c[2] {
			t.Errorf("%q in %q is %q", c[1], c[0], got)
		}
	}
}
