package profiles

import (
	"strconv"
	"strings"
)

// AppendForward adds a forward behind the others of its kind, in the way that they
// are written. Of f it writes Name, unless that is the default, Listen and
// Target. Every other byte of the text stays as it is.
func AppendForward(text []byte, f Forward) ([]byte, error) {
	o, err := outlineOf(text)
	if err != nil {
		return nil, err
	}
	list := "forward." + string(f.Kind)
	keys := f.keys()
	inline := "{ " + strings.Join(keys, ", ") + " }"
	if p := o.pairs[list]; p != nil {
		return o.apply(o.item(p, inline)...)
	}
	if last := o.last(list); last != nil {
		return o.apply(o.table(last, list, keys))
	}
	if t, _ := o.home("forward"); t != nil {
		return o.addKey(list, "["+inline+"]")
	}
	if last := o.last("forward"); last != nil {
		return o.apply(o.table(last, list, keys))
	}
	return o.addTable(append([]string{"[[" + list + "]]"}, keys...)...)
}

// keys are the lines of a new forward.
func (f Forward) keys() []string {
	var keys []string
	if f.Name != "" && f.Name != f.defaultName() {
		keys = append(keys, "name = "+tomlString(f.Name))
	}
	keys = append(keys, "listen = "+f.Listen.toml())
	if f.Target != (Address{}) {
		keys = append(keys, "target = "+f.Target.toml())
	}
	return keys
}

// toml writes an address, a port of localhost as a bare number.
func (a Address) toml() string {
	if a.Network == TCP && a.Host == Localhost {
		return strconv.Itoa(a.Port)
	}
	return tomlString(a.String())
}

// last returns the last table with a header under a path, or nil.
func (o *outline) last(path string) (last *table) {
	for _, t := range o.tables {
		if t.header >= 0 && isUnder(t.path, path) {
			last = t
		}
	}
	return last
}

// table is the insertion of a [[list]] behind another table, indented alike.
func (o *outline) table(last *table, list string, keys []string) change {
	header := o.afterBlanks(last.header)
	lines := []string{"", o.text[last.header:header] + "[[" + list + "]]"}
	blanks := ""
	if len(last.pairs) > 0 {
		blanks, _ = o.indent(last.pairs[0].start)
	}
	for _, key := range keys {
		lines = append(lines, blanks+key)
	}
	at := o.tail(last)
	if !o.isBlank(at) {
		lines = append(lines, "")
	}
	return o.lines(at, lines...)
}

// item is what adds an item to the end of an array.
func (o *outline) item(array *pair, text string) []change {
	if len(array.items) == 0 {
		return []change{insert(array.value+1, text)}
	}
	last := array.items[len(array.items)-1]
	blanks, first := o.indent(last.start)
	comma, stop := o.comma(last)
	switch {
	case !first:
		return []change{insert(last.end, ", "+text)}
	case !o.endsLine(stop) || strings.Contains(o.text[last.end:stop], "\n"):
		return []change{insert(last.end, ","+o.eol()+blanks+text)}
	case comma:
		return []change{o.lines(o.lineEnd(stop), blanks+text+",")}
	default:
		return []change{insert(last.end, ","), o.lines(o.lineEnd(stop), blanks+text)}
	}
}
