package profiles_test

import (
	"fmt"
	"strings"
	"testing"

	"tunneld/profiles"
)

// manyFiles is 200 profiles of 5 forwards.
func manyFiles() map[string]string {
	files := map[string]string{}
	for i := range 200 {
		var b strings.Builder
		b.WriteString(smallest)
		for j := range 5 {
			fmt.Fprintf(&b, "[[forward.local]]\nlisten = %d\ntarget = 'db.internal:5432'\n", 10000+5*i+j)
		}
		files[fmt.Sprintf("profiles/p%03d.toml", i)] = b.String()
	}
	return files
}

func BenchmarkLoad(b *testing.B) {
	l := folder(b, manyFiles())
	load(b, l)
	b.ReportAllocs()
	for b.Loop() {
		if set := load(b, l); set.Len() != 200 {
			b.Fatal(set.Len())
		}
	}
}

func BenchmarkDiff(b *testing.B) {
	l := folder(b, manyFiles())
	before := load(b, l)
	write(b, l, "profiles/p100.toml", smallest)
	after := load(b, l)
	for b.Loop() {
		if changes := profiles.Diff(before, after); len(changes) != 5 {
			b.Fatal(changes)
		}
	}
}
