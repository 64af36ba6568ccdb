package profiles

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// outline says where everything of a TOML text stands, in offsets. The text is
// known to be good, so the outline looks for ends and never for mistakes. It
// reads TOML 1.1, as the decoder does and go-toml's parser does not.
type outline struct {
	mark   string // the byte order mark, or ""
	text   string // behind the mark
	at     int    // how far it is read
	tables []*table
	pairs  map[string]*pair // by path
	counts map[string]int   // of [[headers]], by path without the index
}

// table is what has keys: the root, which comes first, what a header begins, or
// an inline table.
type table struct {
	path   string
	header int // the start of the header's line; -1 for the root and inline tables
	open   int // where its first key may stand
	inline bool
	pairs  []*pair
}

// pair is a key with its value, or an item of an array, whose start is the
// value's.
type pair struct {
	path              string // "forward.local[0].listen", as in Problem.Key
	start, value, end int
	items             []*pair  // of an array
	among             *[]*pair // with itself
	bracket           int      // that opens the array or inline table it is in; -1 for one on a line of its own
}

// outlineOf reads a text that must be TOML.
func outlineOf(text []byte) (*outline, error) {
	if _, problem := parse("profile", text); problem != nil {
		return nil, *problem
	}
	o := &outline{pairs: map[string]*pair{}, counts: map[string]int{}}
	body := bytes.TrimPrefix(text, []byte("\ufeff"))
	o.mark, o.text = string(text[:len(text)-len(body)]), string(body)
	t := o.newTable(table{header: -1})
	for o.gap(); o.at < len(o.text); o.gap() {
		if o.text[o.at] == '[' {
			t = o.head()
		} else {
			o.pair(t)
		}
	}
	return o, nil
}

func (o *outline) newTable(t table) *table {
	o.tables = append(o.tables, &t)
	return &t
}

// head reads a [header] or [[header]].
func (o *outline) head() *table {
	start, list := o.lineStart(o.at), strings.HasPrefix(o.text[o.at:], "[[")
	o.at++
	if list {
		o.at++
	}
	path := o.key("")
	if list {
		o.counts[path]++
		path = o.enter(path)
	}
	o.at = o.lineEnd(o.at)
	return o.newTable(table{path: path, header: start, open: o.at})
}

// pair reads a key and its value.
func (o *outline) pair(t *table) {
	p := &pair{start: o.at, among: &t.pairs, bracket: -1}
	if t.inline {
		p.bracket = t.open - 1
	}
	p.path = o.key(t.path)
	o.at++ // the equals sign
	o.blanks()
	o.take(p)
}

// take reads a value, and files the pair.
func (o *outline) take(p *pair) {
	p.value = o.at
	o.pairs[p.path] = p
	*p.among = append(*p.among, p)
	switch o.text[o.at] {
	case '"', '\'':
		o.quoted()
	case '[':
		o.array(p)
	case '{':
		o.inlineTable(p)
	default:
		o.bare(",]}#\r\n")
		o.at = p.value + len(strings.TrimRight(o.text[p.value:o.at], " \t"))
	}
	p.end = o.at
}

func (o *outline) array(p *pair) {
	o.at++
	for o.gap(); o.text[o.at] != ']'; o.separator() {
		item := &pair{path: p.path + "[" + strconv.Itoa(len(p.items)) + "]", start: o.at, among: &p.items, bracket: p.value}
		o.take(item)
	}
	o.at++
}

func (o *outline) inlineTable(p *pair) {
	o.at++
	t := o.newTable(table{path: p.path, header: -1, open: o.at, inline: true})
	for o.gap(); o.text[o.at] != '}'; o.separator() {
		o.pair(t)
	}
	o.at++
}

// separator reads up to the next item, or to the bracket at the end.
func (o *outline) separator() {
	if o.gap(); o.text[o.at] == ',' {
		o.at++
		o.gap()
	}
}

// key reads a dotted key below a path, and what stands around its dots.
func (o *outline) key(path string) string {
	for {
		o.blanks()
		path = under(o.enter(path), o.name())
		o.blanks()
		if o.text[o.at] != '.' {
			return path
		}
		o.at++
	}
}

// enter is the last item of an array of tables, or the path itself.
func (o *outline) enter(path string) string {
	if n := o.counts[path]; n > 0 {
		return path + "[" + strconv.Itoa(n-1) + "]"
	}
	return path
}

// name reads one part of a key.
func (o *outline) name() string {
	start := o.at
	if c := o.text[start]; c != '"' && c != '\'' {
		o.bare(" \t.=]")
		return o.text[start:o.at]
	}
	o.quoted()
	var v struct{ Name string }
	_, _ = toml.Decode("name = "+o.text[start:o.at], &v) // a part of a text that was decoded
	return v.Name
}

// quoted reads a string of any kind.
func (o *outline) quoted() {
	quote := o.text[o.at : o.at+1]
	end := quote
	if strings.HasPrefix(o.text[o.at:], quote+quote+quote) {
		end = quote + quote + quote
	}
	for o.at += len(end); !strings.HasPrefix(o.text[o.at:], end); o.at++ {
		if quote == `"` && o.text[o.at] == '\\' {
			o.at++
		}
	}
	o.at += len(end)
	for n := 0; len(end) == 3 && n < 2 && strings.HasPrefix(o.text[o.at:], quote); n++ {
		o.at++ // quotes right before the end belong to the string
	}
}

// bare reads up to one of the bytes.
func (o *outline) bare(ends string) {
	n := strings.IndexAny(o.text[o.at:], ends)
	if n < 0 {
		n = len(o.text) - o.at
	}
	o.at += n
}

// gap skips blanks, line ends and comments.
func (o *outline) gap() {
	for o.at < len(o.text) {
		switch o.text[o.at] {
		case ' ', '\t', '\r', '\n':
			o.at++
		case '#':
			o.at = o.lineEnd(o.at)
		default:
			return
		}
	}
}

func (o *outline) blanks() { o.at = o.afterBlanks(o.at) }

// under is the path of a name in a table.
func under(path, name string) string {
	if path == "" {
		return quoteKey(name)
	}
	return path + "." + quoteKey(name)
}

// isUnder reports whether a path is that of a table, or inside it.
func isUnder(path, table string) bool {
	rest, found := strings.CutPrefix(path, table)
	return found && (table == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}
