package profiles

import (
	"fmt"
	"strings"
)

// SetKey writes a value, given as TOML, under a key such as "enabled" or
// "forward.local[0].listen". A key that is not there is added to its table, and
// a table that is not there to the end. Every other byte stays as it is.
func SetKey(text []byte, key, value string) ([]byte, error) {
	if err := oneValue(value); err != nil {
		return nil, fmt.Errorf("set %s: %w", key, err)
	}
	o, err := outlineOf(text)
	if err != nil {
		return nil, err
	}
	if p := o.pairs[key]; p != nil {
		return o.apply(change{p.value, p.end, value})
	}
	if o.has(key) {
		return nil, fmt.Errorf("set %s: it is a table", key)
	}
	return o.addKey(key, value)
}

// oneValue checks that a text is one value, with nothing beside it.
func oneValue(value string) error {
	o, err := outlineOf([]byte("v = " + value))
	if err != nil {
		return err
	}
	if o.pairs["v"].end != len(o.text) {
		return fmt.Errorf("%s is not one value", value)
	}
	return nil
}

// has reports whether anything stands under a path.
func (o *outline) has(path string) bool {
	for _, t := range o.tables {
		if isUnder(t.path, path) {
			return true
		}
	}
	for other := range o.pairs {
		if isUnder(other, path) {
			return true
		}
	}
	return false
}

// addKey adds a key where its table is written, or the nearest one around it:
// there it becomes a dotted key, and in the root a table of its own.
func (o *outline) addKey(key, value string) ([]byte, error) {
	parent := parentOf(key)
	for path := parent; ; path = parentOf(path) {
		t, last := o.home(path)
		if t == nil && path != "" {
			continue
		}
		name := strings.TrimPrefix(key[len(t.path):], ".")
		switch {
		case strings.ContainsAny(name, "[]"):
			return nil, fmt.Errorf("set %s: there is no such item", key)
		case path == "" && parent != "":
			return o.addTable("["+parent+"]", name[len(parent)+1:]+" = "+value)
		case t.inline:
			return o.apply(o.member(t, last, name+" = "+value))
		default:
			return o.apply(o.line(t, last, name+" = "+value))
		}
	}
}

// parentOf is the path of the table that a key is in.
func parentOf(key string) string { return key[:max(strings.LastIndexByte(key, '.'), 0)] }

// home finds where keys of a table are written, and the last of them or nil:
// the table itself, or one around it that has dotted keys for it.
func (o *outline) home(path string) (*table, *pair) {
	for _, t := range o.tables {
		if t.path == path && len(t.pairs) == 0 {
			return t, nil
		} else if t.path == path {
			return t, t.pairs[len(t.pairs)-1]
		}
	}
	for _, t := range o.tables {
		if isUnder(t.path, path) {
			continue
		}
		for i := len(t.pairs) - 1; i >= 0; i-- {
			if isUnder(t.pairs[i].path, path) && t.pairs[i].path != path {
				return t, t.pairs[i]
			}
		}
	}
	return nil, nil
}

// member is the insertion into an inline table.
func (o *outline) member(t *table, last *pair, text string) change {
	if last != nil {
		return insert(last.end, ", "+text)
	}
	if o.text[t.open] == '}' {
		return insert(t.open, " "+text+" ")
	}
	return insert(t.open, " "+text)
}

// line is the insertion of a line into the root or below a header.
func (o *outline) line(t *table, last *pair, text string) change {
	switch {
	case last != nil:
		blanks, _ := o.indent(last.start)
		return o.lines(o.lineEnd(last.end), blanks+text)
	case t.header >= 0:
		return o.lines(t.open, text)
	case len(o.tables) == 1:
		return o.lines(len(o.text), text)
	}
	// Above the first header and its comments, but below those that begin the file.
	header := o.tables[1].header
	if at := o.lead(header, 0); at > 0 {
		return o.lines(at, text, "")
	}
	return o.lines(header, text, "")
}

// addTable adds a table at the end of the text.
func (o *outline) addTable(lines ...string) ([]byte, error) {
	if at := len(o.text); at > 0 && !o.isBlank(o.lineStart(max(at-1, 0))) {
		lines = append([]string{""}, lines...)
	}
	return o.apply(o.lines(len(o.text), lines...))
}
