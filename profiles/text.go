package profiles

import (
	"fmt"
	"reflect"
	"sort"
	"strings"
	"time"
	"unicode"
)

// plainText is a single value as a tag writes it.
func plainText(v reflect.Value) string {
	if d, ok := v.Interface().(time.Duration); ok {
		return durationText(d)
	}
	return fmt.Sprint(v.Interface())
}

// durationText is d without the parts that are zero: 5m, not 5m0s.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// tomlText is a value of the schema as TOML writes it.
func tomlText(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case bool, int:
		return fmt.Sprint(x)
	case []string:
		items := make([]string, len(x))
		for i, s := range x {
			items[i] = tomlString(s)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]string:
		return tomlMap(x)
	default:
		return tomlString(plainText(v))
	}
}

func tomlMap(m map[string]string) string {
	if len(m) == 0 {
		return "{}"
	}
	items := make([]string, 0, len(m))
	for name, value := range m {
		items = append(items, quoteKey(name)+" = "+tomlString(value))
	}
	sort.Strings(items)
	return "{ " + strings.Join(items, ", ") + " }"
}

// tomlString writes a string: literal where that saves backslashes, else as a
// basic string with the escapes of TOML. No terminal obeys what it holds.
func tomlString(s string) string {
	if strings.Contains(s, `\`) && !strings.Contains(s, "'") && isPrintable(s) {
		return "'" + s + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteRune('\\')
			b.WriteRune(c)
		case isControl(c):
			fmt.Fprintf(&b, `\u%04X`, c)
		case !unicode.IsPrint(c):
			fmt.Fprintf(&b, `\U%08X`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
