package profiles

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// The tags that make the schema:
//
//	toml:"key"        the key; fields without it are not part of the schema
//	default:"15s"     the value of a key that is not written; items of a list are split at |
//	auto:"what"       the same where it depends on more; computed in defaults.go
//	required:"true"   the key must be written
//	enum:"a|b"        the only values (of a list: the only items)
//	min:"1" max:"9"   the bounds of a number or duration; negative ones are always wrong
//	format:"host"     what a string (of a list: each item) must look like; see formats.go
//	kinds:"local"     the kinds of forward that have the key
var (
	profileTable = describe(reflect.TypeFor[Profile]())
	daemonTable  = describe(reflect.TypeFor[Daemon]())
)

// field is one key of the schema.
type field struct {
	key      string
	index    int // of the struct's field
	typ      reflect.Type
	fallback string // default
	auto     string
	required bool
	enum     []string
	min, max string
	format   string
	kinds    []string
	table    []field
}

// describe reads the tags of a struct.
func describe(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		if tag.Get("toml") == "" {
			continue
		}
		f := field{
			key: tag.Get("toml"), index: i, typ: t.Field(i).Type,
			fallback: tag.Get("default"), auto: tag.Get("auto"), required: tag.Get("required") != "",
			enum: split(tag.Get("enum")), min: tag.Get("min"), max: tag.Get("max"),
			format: tag.Get("format"), kinds: split(tag.Get("kinds")),
		}
		f.table = f.describeTable()
		fields = append(fields, f)
	}
	return fields
}

// describeTable returns the keys below f, or nil for a plain value. The
// forwards of a profile are a table of lists, one for each kind.
func (f field) describeTable() []field {
	switch {
	case f.typ == reflect.TypeFor[[]Forward]():
		return describeKinds()
	case f.typ == reflect.TypeFor[Address]():
		return nil
	case f.typ.Kind() == reflect.Struct:
		return describe(f.typ)
	case f.typ.Kind() == reflect.Slice && f.typ.Elem().Kind() == reflect.Struct:
		return describe(f.typ.Elem())
	}
	return nil
}

func describeKinds() []field {
	var lists []field
	for _, kind := range Kinds() {
		list := field{key: string(kind), typ: reflect.TypeFor[[]Forward]()}
		for _, f := range describe(reflect.TypeFor[Forward]()) {
			if len(f.kinds) == 0 || slices.Contains(f.kinds, string(kind)) {
				list.table = append(list.table, f)
			}
		}
		lists = append(lists, list)
	}
	return lists
}

// split splits a tag at |; the empty tag has no parts.
func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "|")
}

// isList reports whether f is an array of tables.
func (f field) isList() bool {
	return f.table != nil && f.typ.Kind() == reflect.Slice && f.key != "forward"
}

// lookup returns the field of a key.
func lookup(fields []field, key string) (field, bool) {
	i := slices.IndexFunc(fields, func(f field) bool { return f.key == key })
	if i < 0 {
		return field{}, false
	}
	return fields[i], true
}

// Key describes one key of the schema, for documents, completions and tests.
type Key struct {
	Name     string   // "server.host", "forward.local[].listen"
	Type     string   // string, integer, boolean, duration, address, "list of strings", "table of strings"
	Default  string   // in words where it depends on more; empty for none
	Required bool     // must be written
	Enum     []string // the only values, or nil
}

// Keys returns every key of a profile, in the order of the documentation.
func Keys() []Key { return keys("", profileTable) }

// DaemonKeys returns every key of daemon.toml.
func DaemonKeys() []Key { return keys("", daemonTable) }

func keys(prefix string, fields []field) []Key {
	var all []Key
	for _, f := range fields {
		name := prefix + f.key
		switch {
		case f.isList():
			all = append(all, keys(name+"[].", f.table)...)
		case f.table != nil:
			all = append(all, keys(name+".", f.table)...)
		default:
			all = append(all, f.describeKey(name))
		}
	}
	return all
}

func (f field) describeKey(name string) Key {
	return Key{Name: name, Type: typeName(f.typ), Default: f.fallback + f.auto, Required: f.required, Enum: f.enum}
}

func typeName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[Address]():
		return "address"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.Int:
		return "integer"
	case reflect.Slice:
		return "list of strings"
	case reflect.Map:
		return "table of strings"
	default:
		return "string"
	}
}
