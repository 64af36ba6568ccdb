package identity

import (
	"slices"
	"strings"
	"testing"
)

func TestSplitArgv(t *testing.T) {
	for line, want := range map[string][]string{
		"":                           nil,
		" \t ":                       nil,
		"pass show work":             {"pass", "show", "work"},
		"  a\tb  ":                   {"a", "b"},
		`'a b' "c d" e\ f`:           {"a b", "c d", "e f"},
		`a'b'"c"d`:                   {"abcd"},
		`'' ""`:                      {"", ""},
		`'a\n' "a\"b\\c\n"`:          {`a\n`, `a"b\c\n`},
		`C:\bin\pass.exe "C:\a b\x"`: {`C:\bin\pass.exe`, `C:\a b\x`},
		`\'a\" \\b`:                  {`'a"`, `\b`},
		`$HOME ~ * ; | > & #`:        {"$HOME", "~", "*", ";", "|", ">", "&", "#"},
		`a\`:                         {`a\`},
	} {
		got, err := SplitArgv(line)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`'`, `"`, `a'b`, `"a\"`, `'a\'b'`} {
		if got, err := SplitArgv(line); err == nil {
			t.Errorf("%s: %q", line, got)
		}
	}
}

// Words that are quoted come back as they were, in both ways of quoting.
func FuzzSplitArgv(f *testing.F) {
	for _, seed := range []string{"pass show x", `a 'b c' "d\"e"`, `\\ \' \`, "'", "a\x00b\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		argv, err := SplitArgv(line)
		if err != nil && !strings.ContainsAny(line, `'"`) {
			t.Fatalf("%q: %v", line, err)
		}
		var single, double []string
		for _, word := range argv {
			single = append(single, "'"+strings.ReplaceAll(word, "'", `'\''`)+"'")
			double = append(double, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word)+`"`)
		}
		for _, quoted := range [][]string{single, double} {
			again, err := SplitArgv(strings.Join(quoted, " "))
			if err != nil || !slices.Equal(again, argv) {
				t.Fatalf("%q: %q, %v, want %q", quoted, again, err, argv)
			}
		}
	})
}
