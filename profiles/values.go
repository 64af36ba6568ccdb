package profiles

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decode puts a node's value into v. Every type of the schema is here.
func (r *reader) decode(f field, n *node, v reflect.Value, key string) {
	switch f.typ {
	case reflect.TypeFor[time.Duration]():
		r.duration(n, v, key)
		return
	case reflect.TypeFor[Address]():
		r.address(f, n, v, key)
		return
	}
	switch f.typ.Kind() {
	case reflect.Bool:
		if b, ok := as[bool](r, n, key, "a boolean", ""); ok {
			v.SetBool(b)
		}
	case reflect.Int:
		r.integer(n, v, key)
	case reflect.String:
		if s, ok := r.text(f, n, key); ok {
			v.SetString(s)
		}
	case reflect.Slice:
		r.strings(f, n, v, key)
	case reflect.Map:
		r.stringMap(f, n, v, key)
	}
}

// as returns a node's value as a T, or reports that it is something else.
func as[T any](r *reader, n *node, key, want, hint string) (T, bool) {
	v, ok := n.value.(T)
	if !ok {
		r.problem(n.at, key, hint, "want %s, got %s", want, n.kind())
	}
	return v, ok
}

func (r *reader) integer(n *node, v reflect.Value, key string) {
	i, ok := as[int64](r, n, key, "an integer", "")
	switch {
	case !ok:
	case int64(int32(i)) != i:
		r.problem(n.at, key, "", "%d is out of range", i)
	default:
		v.SetInt(i)
	}
}

func (r *reader) duration(n *node, v reflect.Value, key string) {
	s, ok := as[string](r, n, key, "a duration", `write it as "15s"`)
	if !ok {
		return
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		r.problem(n.at, key, `write it as "500ms", "15s" or "10m"`, "%q is not a duration", s)
		return
	}
	v.SetInt(int64(d))
}

// text decodes a string: its words, then its format.
func (r *reader) text(f field, n *node, key string) (string, bool) {
	s, ok := as[string](r, n, key, "a string", "")
	switch {
	case !ok:
		return "", false
	case s == "" && f.required:
		r.problem(n.at, key, "", "must not be empty")
		return "", false
	case s == "" && f.enum == nil:
		return "", true
	case f.enum != nil && !slices.Contains(f.enum, s):
		hint := didYouMean(s, f.enum)
		r.problem(n.at, key, hint, "%q is not one of %s", s, strings.Join(f.enum, ", "))
		return "", false
	}
	s, err := r.format(f, s)
	if err != nil {
		r.fault(n.at, key, err)
	}
	return s, err == nil
}

// strings decodes a list; no item may be empty.
func (r *reader) strings(f field, n *node, v reflect.Value, key string) {
	if n.fields != nil || n.value != nil {
		r.problem(n.at, key, listHint(n), "want a list of strings, got %s", n.kind())
		return
	}
	var list []string
	f.required = true
	for i, item := range n.items {
		if s, ok := r.text(f, item, key+"["+strconv.Itoa(i)+"]"); ok {
			list = append(list, s)
		}
	}
	if f.format == "algorithm" && mixed(list) {
		r.problem(n.at, key, `write all names with + or none`, "names that replace the defaults stand beside +names that add to them")
	}
	v.Set(reflect.ValueOf(list))
}

func listHint(n *node) string {
	if s, ok := n.value.(string); ok {
		return "write [" + tomlString(s) + "]"
	}
	return ""
}

// mixed reports whether some items begin with + and some do not.
func mixed(list []string) bool {
	added := 0
	for _, s := range list {
		if strings.HasPrefix(s, "+") {
			added++
		}
	}
	return added > 0 && added < len(list)
}

// stringMap decodes the variables of an environment.
func (r *reader) stringMap(f field, n *node, v reflect.Value, key string) {
	if n.fields == nil {
		r.problem(n.at, key, `write { NAME = "value" }`, "want a table of strings, got %s", n.kind())
		return
	}
	var all map[string]string
	for _, name := range n.names() {
		item, itemKey := n.fields[name], key+"."+quoteKey(name)
		if !validVariable.MatchString(name) {
			r.problem(item.at, itemKey, "", "%q is not the name of a variable", name)
			continue
		}
		if s, ok := r.text(f, item, itemKey); ok {
			if all == nil {
				all = map[string]string{}
			}
			all[name] = s
		}
	}
	v.Set(reflect.ValueOf(all))
}

// address decodes a port or a string. Words and paths of the other side are
// sent as they are; a socket here may be written with ~ or relative.
func (r *reader) address(f field, n *node, v reflect.Value, key string) {
	if n.value == "" && !f.required {
		return // none
	}
	a, err := r.parseAddress(n)
	if err == nil {
		a, err = r.judgeAddress(f, a, key)
	}
	if err != nil {
		r.fault(n.at, key, err)
		return
	}
	v.Set(reflect.ValueOf(a))
}

func (r *reader) parseAddress(n *node) (Address, error) {
	switch x := n.value.(type) {
	case int64:
		return portAddress(x)
	case string:
		s, err := r.env.expand(x)
		if err != nil {
			return Address{}, err
		}
		if err := checkControl(s, "file"); err != nil {
			return Address{}, err
		}
		return ParseAddress(s)
	default:
		return Address{}, fmt.Errorf("want a port or an address, got %s", n.kind())
	}
}

func (r *reader) judgeAddress(f field, a Address, key string) (Address, error) {
	remote := strings.HasPrefix(key, "forward."+string(Remote))
	listen := f.key == "listen"
	here := listen != remote
	switch {
	case f.format == "endpoint" && a.Network != TCP:
		return a, errors.New("want a port or host:port")
	case f.format == "endpoint" && a.Port == 0:
		return a, errors.New("port 0 would be another one each time")
	case a.Network == Socks && (listen || !remote):
		return a, withHint("want a port, host:port or unix:PATH", "socks is a target of remote forwards alone")
	case a.Network == TCP && a.Port == 0 && !(listen && remote):
		return a, errors.New("port 0 is for the listen address of a remote forward alone")
	case a.Network == Pipe && !here:
		return a, withHint("want a port, host:port or unix:PATH", "pipe: is for an address of this machine alone")
	case a.Network == Pipe && !r.env.Windows:
		return a, withHint("write a port, host:port or unix:PATH", "named pipes are on Windows alone")
	case a.Network == Unix && here:
		path, err := r.env.path(r.dir, a.Path)
		a.Path = path
		return a, err
	}
	return a, nil
}

// bounds holds a number or duration against min and max.
func (r *reader) bounds(f field, n *node, v reflect.Value, key string) {
	if !v.CanInt() {
		return
	}
	low, high := int64(0), int64(1)<<62
	if f.min != "" {
		low = bound(f, f.min)
	}
	if f.max != "" {
		high = bound(f, f.max)
	}
	switch {
	case v.Int() < low && f.min == "":
		r.problem(n.at, key, "", "must not be negative")
	case v.Int() < low:
		r.problem(n.at, key, "", "must be at least %s", f.min)
	case v.Int() > high:
		r.problem(n.at, key, "", "must be at most %s", f.max)
	}
}

func bound(f field, text string) int64 {
	if f.typ == reflect.TypeFor[time.Duration]() {
		d, _ := time.ParseDuration(text)
		return int64(d)
	}
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}
