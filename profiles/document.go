package profiles

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

const (
	maxFile  = 1 << 20 // how long a file may be, in bytes
	maxDepth = 100     // how many brackets may be open, and how many dots a key may have

	maxMessage = 300 // of a decoder, which repeats keys of any length, in bytes
)

// node is a value of a TOML document with its place. Exactly one of the three
// holds it: fields for a table, items for an array, value for the rest.
type node struct {
	at     place
	fields map[string]*node
	items  []*node
	value  any
}

// parse reads one TOML document. Values come from BurntSushi's decoder and
// places from go-toml's parser, because neither gives both. A document that
// is not TOML gives a nil node and the problem.
func parse(file string, data []byte) (*node, *Problem) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if len(data) > maxFile {
		return nil, &Problem{File: file, Message: "the file is over 1 MiB"}
	}
	if p := checkUTF8(file, data); p != nil {
		return nil, p
	}
	if i := tooDeep(data); i >= 0 {
		at := (&placer{file, lineStarts(data)}).at(i)
		return nil, &Problem{File: file, Line: at.line, Column: at.column, Message: "nested too deeply"}
	}
	values := map[string]any{}
	if _, err := toml.Decode(string(data), &values); err != nil {
		return nil, syntaxProblem(file, data, err)
	}
	m := &placer{file: file, lines: lineStarts(data)}
	root := &node{at: place{file, 1, 1}, fields: map[string]*node{}}
	m.document(root, data)
	root.fill(values)
	return root, nil
}

func checkUTF8(file string, data []byte) *Problem {
	if utf8.Valid(data) {
		return nil
	}
	i := 0
	for i < len(data) {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		i += n
	}
	at := (&placer{file, lineStarts(data)}).at(i)
	return &Problem{File: file, Line: at.line, Column: at.column,
		Message: "not UTF-8", Hint: "save the file in the encoding UTF-8"}
}

// tooDeep returns the offset where data nests deeper than any schema does, or
// -1. The decoders take quadratic time and memory for such text: a megabyte of
// it would stop the daemon. The count is a rough one that knows no strings.
func tooDeep(data []byte) int {
	open, dots, last := 0, 0, byte(0)
	for i, c := range data {
		switch c {
		case '[', '{':
			open, dots = open+1, 0
		case ']', '}':
			open = max(open-1, 0)
		case '=', ',', '\n':
			dots = 0
		case '.':
			if last != '.' {
				dots++
			}
		}
		if open > maxDepth || dots > maxDepth {
			return i
		}
		last = c
	}
	return -1
}

// syntaxProblem turns a decoder's error into a problem.
func syntaxProblem(file string, data []byte, err error) *Problem {
	p := &Problem{File: file, Line: 1, Column: 1, Message: err.Error()}
	var syntax toml.ParseError
	if !errors.As(err, &syntax) {
		return p
	}
	// At the end of a file the decoder points past it.
	p.Line = min(max(syntax.Position.Line, 1), 1+bytes.Count(data, []byte("\n")))
	p.Column = min(max(syntax.Position.Col, 1), 1+len(line(data, p.Line)))
	p.Message = syntax.Message
	if len(p.Message) > maxMessage {
		p.Message = strings.ToValidUTF8(p.Message[:maxMessage], "") + "..."
	}
	if strings.Contains(p.Message, "escape") || strings.Contains(p.Message, "hexadecimal digits after") {
		p.Hint = escapeHint(line(data, p.Line), p.Column)
	}
	return p
}

// escapeHint says how to write the string that stands around a column.
func escapeHint(line string, column int) string {
	text := `C:\Users\ana\key`
	start := strings.LastIndexByte(line[:min(column, len(line))], '"')
	if start >= 0 {
		if s, _, closed := strings.Cut(line[start+1:], `"`); closed && strings.Contains(s, `\`) {
			text = s
		}
	}
	return backslashHint(text)
}

// backslashHint says how to write a text with backslashes.
func backslashHint(text string) string {
	quoted := "'" + text + "'"
	if strings.Contains(text, "'") {
		quoted = `"` + strings.ReplaceAll(text, `\`, `\\`) + `"`
	}
	return fmt.Sprintf(`backslash is an escape in "..."; write %s or %s`, quoted, strings.ReplaceAll(text, `\`, "/"))
}

// line returns the nth line, from 1.
func line(data []byte, n int) string {
	lines := bytes.Split(data, []byte("\n"))
	if n < 1 || n > len(lines) {
		return ""
	}
	return strings.TrimSuffix(string(lines[n-1]), "\r")
}

// fill puts the decoder's values into the tree of places. Where the two
// parsers disagree, a value takes the place of what holds it.
func (n *node) fill(v any) {
	switch v := v.(type) {
	case map[string]any:
		if n.fields == nil {
			n.fields = map[string]*node{}
		}
		for key, value := range v {
			n.field(key, n.at).fill(value)
		}
	case []map[string]any:
		for i, value := range v {
			n.item(i, n.at).fill(value)
		}
	case []any:
		n.items = n.items[:min(len(n.items), len(v))]
		for i, value := range v {
			n.item(i, n.at).fill(value)
		}
	default:
		n.value = v
	}
}

// field returns the field of a name, made at a place where it is not there.
func (n *node) field(name string, at place) *node {
	if n.fields == nil {
		n.fields = map[string]*node{}
	}
	child := n.fields[name]
	if child == nil {
		child = &node{at: at}
		n.fields[name] = child
	}
	return child
}

// item returns the ith item, made at a place where it is not there.
func (n *node) item(i int, at place) *node {
	for len(n.items) <= i {
		n.items = append(n.items, &node{at: at})
	}
	return n.items[i]
}

// find walks down by names, and returns nil where one is missing.
func (n *node) find(names ...string) *node {
	for _, name := range names {
		if n == nil {
			return nil
		}
		n = n.fields[name]
	}
	return n
}

// kind names what n is, with its article.
func (n *node) kind() string {
	switch n.value.(type) {
	case string:
		return "a string"
	case int64:
		return "an integer"
	case bool:
		return "a boolean"
	case float64:
		return "a float"
	case nil:
		if n.fields != nil {
			return "a table"
		}
		return "an array"
	default:
		return "a date or time"
	}
}

// names returns the names of n's fields, sorted.
func (n *node) names() []string {
	names := make([]string, 0, len(n.fields))
	for name := range n.fields {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// over returns n with the fields of below that n lacks. Tables merge; any
// other value of n hides the one below.
func (n *node) over(below *node) *node {
	if below == nil || below.fields == nil || n.fields == nil {
		return n
	}
	merged := &node{at: n.at, fields: make(map[string]*node, len(n.fields)+len(below.fields))}
	for name, child := range below.fields {
		merged.fields[name] = child
	}
	for name, child := range n.fields {
		merged.fields[name] = child.over(below.fields[name])
	}
	return merged
}
