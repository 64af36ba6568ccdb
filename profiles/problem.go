package profiles

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with the configuration. It is an error,
// so a caller may return it.
type Problem struct {
	File    string // relative to the configuration folder, with slashes
	Line    int    // from 1; 0 means the file as a whole
	Column  int    // in bytes from 1; 0 means the line as a whole
	Key     string // "forward.local[0].listen", or empty
	Message string
	Hint    string // what was probably meant, or empty
	Warning bool   // nothing was left out because of it
}

// Error returns all of it in one line:
// "profiles/lab.toml:7:1: forward.local[0].tagret: unknown key; did you mean target?".
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	if p.Key != "" {
		b.WriteString(": " + p.Key)
	}
	b.WriteString(": " + p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// String is Error.
func (p Problem) String() string { return p.Error() }

// serious reports whether one of the problems is more than a warning.
func serious(problems []Problem) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return !p.Warning })
}

// sortProblems puts problems in the order of files, lines and columns, each
// once: a line of ssh_config may concern several profiles.
func sortProblems(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Key, b.Key),
			cmp.Compare(a.Message, b.Message),
		)
	})
	return slices.Compact(problems)
}

// Origin says where a value came from: a file with its line, or "default".
type Origin string

// Default is the origin of a value that nobody wrote.
const Default Origin = "default"

// place is a position in a file.
type place struct {
	file         string
	line, column int
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

func (p place) origin() Origin {
	if p.line == 0 {
		return Default
	}
	return Origin(p.String())
}
