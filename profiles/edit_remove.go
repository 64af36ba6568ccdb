package profiles

import (
	"fmt"
	"slices"
	"strings"
)

// RemoveKey takes out a key, or an item of an array, such as "server.port" or
// "forward.local[0]". With an item or a table go the comments directly above it, and
// with everything those behind it on its line. Every other byte stays as it is.
func RemoveKey(text []byte, key string) ([]byte, error) {
	o, err := outlineOf(text)
	if err != nil {
		return nil, err
	}
	if p := o.pairs[key]; p != nil && p.bracket < 0 {
		return o.apply(change{o.lineStart(p.start), o.lineEnd(p.end), ""})
	} else if p != nil {
		return o.apply(o.cutItem(p))
	}
	var cuts []change
	for _, t := range o.tables {
		switch {
		case t.header >= 0 && isUnder(t.path, key):
			cuts = append(cuts, o.cutTable(t, cuts))
		case !isUnder(t.path, key) && slices.ContainsFunc(t.pairs, func(p *pair) bool { return isUnder(p.path, key) }):
			return nil, fmt.Errorf("remove %s: it is written in several places", key)
		}
	}
	if len(cuts) == 0 {
		return nil, fmt.Errorf("remove %s: it is not there", key)
	}
	return o.apply(cuts...)
}

// cutTable takes out a table with its header and the comments above, and the
// blank lines that would else stand double.
func (o *outline) cutTable(t *table, before []change) change {
	floor := o.floor(t.header)
	start, end := o.lead(t.header, floor), o.tail(t)
	if start == 0 {
		start = t.header // what begins the file is about the file
	}
	if o.isBlank(end) {
		for start > floor && o.isBlank(o.lineStart(start-1)) {
			start = o.lineStart(start - 1)
		}
	}
	for start == 0 && end < len(o.text) && o.isBlank(end) {
		end = o.lineEnd(end)
	}
	if n := len(before); n > 0 {
		start = max(start, before[n-1].end)
	}
	return change{start, max(start, end), ""}
}

// cutItem takes a pair out of its array or inline table, with one comma.
func (o *outline) cutItem(p *pair) change {
	all := *p.among
	i := slices.Index(all, p)
	comma, stop := o.comma(p)
	if _, first := o.indent(p.start); first && o.endsLine(stop) && !strings.Contains(o.text[p.end:stop], "\n") {
		line := o.lineStart(p.start)
		floor := o.lineEnd(o.opening(p, i))
		return change{o.lead(line, min(floor, line)), o.lineEnd(stop), ""}
	}
	switch {
	case len(all) == 1:
		return change{o.beforeBlanks(p.start), o.afterBlanks(stop), ""}
	case i == len(all)-1 && !strings.ContainsAny(o.text[all[i-1].end:p.start], "#\n"):
		return change{all[i-1].end, p.end, ""}
	case comma:
		return change{p.start, o.afterBlanks(stop), ""}
	default:
		return change{p.start, p.end, ""} // and the comma before it ends the list
	}
}

// opening is where the text before the ith item ends that is not about it.
func (o *outline) opening(p *pair, i int) int {
	if i > 0 {
		_, stop := o.comma((*p.among)[i-1])
		return stop
	}
	return p.bracket
}

// comma reports whether one follows an item, and where the two end.
func (o *outline) comma(p *pair) (found bool, end int) {
	o.at = p.end
	if o.gap(); o.text[o.at] == ',' {
		return true, o.at + 1
	}
	return false, p.end
}
