package profiles

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// reader turns one document into a Go value along the schema. It goes on after
// a problem, so that one reading finds them all.
type reader struct {
	file     string
	dir      string // where relative paths start
	state    string
	env      Environment
	known    map[string][]string
	readOnly bool     // see Loader
	schema   []field  // of the whole file
	partial  bool     // inside [defaults]: nothing is required, nothing filled in
	meant    []string // keys that were written with a mistake
	problems []Problem
	settings []Setting
}

func (r *reader) problem(at place, key, hint, format string, args ...any) {
	r.problems = append(r.problems, Problem{
		File: at.file, Line: at.line, Column: at.column, Key: key, Message: fmt.Sprintf(format, args...), Hint: hint,
	})
}

// fault records what a check found.
func (r *reader) fault(at place, key string, err error) {
	hint := ""
	if t, ok := err.(*trouble); ok {
		hint = t.hint
	}
	r.problem(at, key, hint, "%s", err.Error())
}

// read decodes a whole document into v, a pointer to a struct. It returns
// false for a document of a later schema, which this version cannot judge.
func (r *reader) read(fields []field, root *node, v any) bool {
	r.schema = fields
	if n := root.find("schema"); n != nil {
		if s, ok := n.value.(int64); ok && s > 1 {
			r.problem(n.at, "schema", "", "schema %d needs a later tunneld", s)
			return false
		}
	}
	r.table(fields, root, reflect.ValueOf(v).Elem(), "", root)
	return true
}

// table decodes the fields of n into the struct v; key is its name with a dot
// behind. In a table that is not there, n is nil and at is what holds it.
func (r *reader) table(fields []field, n *node, v reflect.Value, key string, holder *node) {
	if n != nil {
		r.unknown(fields, n, key)
		holder = n
	}
	for _, f := range fields {
		child := n.find(f.key)
		if !r.isType(f, child, key+f.key) {
			continue
		}
		switch {
		case f.key == "forward":
			r.forwards(f, child, v.Field(f.index), key+f.key)
		case f.isList():
			r.list(f, child, v.Field(f.index), key+f.key)
		case f.table != nil:
			r.subtable(f, child, v.Field(f.index), key+f.key, holder)
		default:
			r.leaf(f, child, v.Field(f.index), key+f.key, holder)
		}
	}
}

// unknown reports the fields of n that are not in the schema.
func (r *reader) unknown(fields []field, n *node, key string) {
	for _, name := range n.names() {
		if _, ok := lookup(fields, name); !ok {
			r.problem(n.fields[name].at, key+quoteKey(name), unknownHint(name, fields, r.schema), "unknown key")
			r.meant = append(r.meant, key+nearest(name, keysOf(fields)))
		}
	}
}

// isType reports whether n can be f as far as tables and lists go. What is not
// there has every type.
func (r *reader) isType(f field, n *node, key string) bool {
	if n == nil || f.table == nil {
		return true
	}
	want, ok := "a table", n.fields != nil
	if f.isList() {
		want, ok = "an array of tables", n.items != nil || (n.value == nil && n.fields == nil)
	}
	if !ok {
		r.problem(n.at, key, "write "+header(key, f), "want %s, got %s", want, n.kind())
	}
	return ok
}

// subtable decodes a table, and says when this version cannot do it at all.
func (r *reader) subtable(f field, n *node, v reflect.Value, key string, holder *node) {
	if f.key == "defaults" {
		r.partial = true
		defer r.endPartial()
	}
	r.table(f.table, n, v, key+".", holder)
}

func (r *reader) endPartial() { r.partial = false }

// list decodes an array of tables.
func (r *reader) list(f field, n *node, v reflect.Value, key string) {
	if n == nil {
		return
	}
	for i, item := range n.items {
		itemKey := key + "[" + strconv.Itoa(i) + "]"
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem()))) // a bad item too, so that indices hold
		if item.fields == nil {
			r.problem(item.at, itemKey, "", "want a table, got %s", item.kind())
			continue
		}
		r.table(f.table, item, v.Index(i), itemKey+".", item)
	}
}

// forwards decodes every kind's list into one.
func (r *reader) forwards(f field, n *node, v reflect.Value, key string) {
	if n == nil {
		return
	}
	r.unknown(f.table, n, key+".")
	var all []Forward
	for _, list := range f.table {
		child, listKey := n.find(list.key), key+"."+list.key
		if child == nil || !r.isType(list, child, listKey) {
			continue
		}
		var some []Forward
		r.list(list, child, reflect.ValueOf(&some).Elem(), listKey)
		for i := range some {
			some[i].Kind = Kind(list.key)
		}
		all = append(all, some...)
	}
	v.Set(reflect.ValueOf(all))
}

// leaf decodes a single value, written or not.
func (r *reader) leaf(f field, n *node, v reflect.Value, key string, holder *node) {
	switch {
	case n != nil:
		r.written(f, n, v, key)
	case r.partial:
		return
	case f.required:
		r.missing(key, holder)
		return
	default:
		r.fallback(f, v)
	}
	var at place
	if n != nil {
		at = n.at
	}
	if f.format == "proxy" {
		v = reflect.ValueOf(redacted(v.String()))
	}
	r.settings = append(r.settings, Setting{key, tomlText(v), at.origin()})
}

// missing reports a required key, unless a misspelt one stands for it.
func (r *reader) missing(key string, holder *node) {
	for _, meant := range r.meant {
		if key == meant || strings.HasPrefix(key, meant+".") {
			return
		}
	}
	r.problem(holder.at, key, "", "this key is required")
}

// written decodes a value and holds it against the tags.
func (r *reader) written(f field, n *node, v reflect.Value, key string) {
	before := len(r.problems)
	r.decode(f, n, v, key)
	if len(r.problems) == before {
		r.bounds(f, n, v, key)
	}
}

// fallback sets the default. The schema's own texts are known to be good.
func (r *reader) fallback(f field, v reflect.Value) {
	if f.fallback == "" {
		return
	}
	r.decode(f, plain(f, f.fallback), v, "")
}

// plain is the node that a tag's text stands for.
func plain(f field, text string) *node {
	switch f.typ.Kind() {
	case reflect.Bool:
		return &node{value: text == "true"}
	case reflect.Int:
		n, _ := strconv.ParseInt(text, 10, 64)
		return &node{value: n}
	case reflect.Slice:
		list := &node{}
		for i, item := range split(text) {
			list.item(i, place{}).value = item
		}
		return list
	default:
		return &node{value: text}
	}
}

// quoteKey writes a key as TOML wants it.
func quoteKey(name string) string {
	bare := name != "" && strings.IndexFunc(name, notBare) < 0
	if bare {
		return name
	}
	return tomlString(name)
}

func notBare(c rune) bool {
	return c >= 0x80 || !validName.MatchString(string(c)) || c == '.'
}
