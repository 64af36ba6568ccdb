package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// named are the variables whose values differ from run to run.
var named = []string{"WORK", "ECHO", "LISTEN", "DEAD", "SSHD", "FINGERPRINT", "KEY"}

// volatile is what else does, and what stands for it.
var volatile = []struct {
	text *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?`), "DATE"},
	{regexp.MustCompile(`\b(at|clock) \d\d:\d\d(:\d\d)?\b`), "$1 TIME"},
	{regexp.MustCompile(`\bin \d+s\b`), "in TIME"},
	{regexp.MustCompile(`(?m)^ +[\d.]+ ms`), "N ms"},
	{regexp.MustCompile(`(  |after |within )[\d.]+(s|m|h\d+m)\b`), "${1}N"}, // the column SINCE
	{regexp.MustCompile(`SHA256:[A-Za-z0-9+/]{43}`), "SHA256:KEY"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "LOOPBACK:PORT"},
	{regexp.MustCompile(`OpenSSH_\S+( [A-Z][^\s,]*)?`), "OpenSSH"},
	{regexp.MustCompile(`(curve|mlkem|sntrup)[\w@.-]+`), "KEX"},
	{regexp.MustCompile(`user \d+, pid \d+`), "user N, pid N"},
	{regexp.MustCompile(`\(pid \d+\)`), "(pid N)"},
	{regexp.MustCompile(`(offers?: \w+|agreed:) .*`), "$1 ..."},
	{regexp.MustCompile(`[\w-]+@(\$[A-Z]+|LOOPBACK)`), "USER@$1"},
	{regexp.MustCompile(`(?m)  [\d.e-]+ ms$`), ""}, // a round trip is measured soon, or not yet
	{regexp.MustCompile(`(\S) {2,}`), "$1  "},      // columns are as wide as what was replaced
}

// plain makes the same of what was printed in every run, for cmp: of stdout and
// stderr, values have their names, and times and the widths of columns are gone.
func plain(ts *testscript.TestScript, _ bool, _ []string) {
	out, errs := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	fmt.Fprint(ts.Stdout(), plainText(out, ts.Getenv))
	fmt.Fprint(ts.Stderr(), plainText(errs, ts.Getenv))
}

func plainText(text string, value func(string) string) string {
	var pairs []string
	names := slices.Clone(named)
	slices.SortFunc(names, func(a, b string) int { return len(value(b)) - len(value(a)) }) // a folder after what is in it
	for _, name := range names {
		if v := value(name); v != "" {
			pairs = append(pairs, v, "$"+name)
		}
	}
	text = strings.NewReplacer(pairs...).Replace(text)
	for _, v := range volatile {
		text = v.text.ReplaceAllString(text, v.name)
	}
	return text
}
