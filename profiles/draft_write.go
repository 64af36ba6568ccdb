package profiles

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Refine takes out of a draft what a profile of that name may not hold, adds
// that ssh_config need not be asked again, and returns what is still wrong.
func (l *Loader) Refine(name string, d Draft) (Draft, []Problem) {
	run := l.begin()
	run.readDaemon()
	d.Left, d.entries = slices.Clone(d.Left), slices.Clone(d.entries)
	d.put(place{}, "", "server.ssh_config", "none")
	root := (&node{at: place{file: name}, fields: map[string]*node{}}).over(run.defaults)
	for {
		_, problems := run.decodeProfile(name, name, d.under(root))
		if !d.drop(problems) {
			return d, problems
		}
	}
}

// TOML writes the draft as a profile, each value with where it comes from, and
// below the title what was left out and may be missed. Paths in the home folder begin with ~.
func (d Draft) TOML(title string) []byte {
	var b strings.Builder
	b.WriteString("# " + comment(title) + "\n")
	begun := false
	for _, l := range d.Left {
		if l.Harmless {
			continue
		}
		if !begun {
			b.WriteString("#\n# Left out:\n")
		}
		begun = true
		b.WriteString("#   " + comment(l.String()) + "\n")
	}
	for _, f := range profileTable {
		d.writeTable(&b, f.key)
	}
	return []byte(b.String())
}

// writeTable writes a table, or the forwards, each a table of its own.
func (d Draft) writeTable(b *strings.Builder, table string) {
	begun := false
	for _, e := range d.entries {
		f, isForward := e.value.(draftForward)
		switch {
		case e.table != table:
			continue
		case isForward:
			fmt.Fprintf(b, "\n[[forward.%s]]%s\nlisten = %s\n", e.key, e.origin(), addressText(f.listen))
			if f.target != "" {
				fmt.Fprintf(b, "target = %s\n", addressText(f.target))
			}
			continue
		case !begun:
			fmt.Fprintf(b, "\n[%s]\n", table)
			begun = true
		}
		fmt.Fprintf(b, "%s = %s%s\n", e.key, d.valueText(e.value), e.origin())
	}
}

// addressText writes a bare port as a number.
func addressText(s string) string {
	if n, err := strconv.Atoi(s); err == nil && strconv.Itoa(n) == s {
		return s
	}
	return tomlString(s)
}

// origin is a comment that says where the entry comes from.
func (e draftEntry) origin() string {
	if e.at.file == "" {
		return ""
	}
	return " # " + comment(e.at.short())
}

// valueText writes a value as TOML.
func (d Draft) valueText(value any) string {
	switch v := value.(type) {
	case string:
		return tomlString(d.tilde(v))
	case []string:
		list := make([]string, len(v))
		for i, s := range v {
			list[i] = d.tilde(s)
		}
		return tomlText(reflect.ValueOf(list))
	default:
		return fmt.Sprint(v)
	}
}

// tilde shortens a path in the home folder.
func (d Draft) tilde(s string) string {
	rest, found := strings.CutPrefix(s, d.env.Home+string(filepath.Separator))
	if d.env.Home == "" || !found {
		return s
	}
	return "~/" + filepath.ToSlash(rest)
}

// comment makes a text fit for a comment: one line of UTF-8 that no terminal
// obeys.
func comment(s string) string {
	return strings.Map(commentRune, s)
}

func commentRune(c rune) rune {
	if !unicode.IsPrint(c) || c == utf8.RuneError {
		return '?'
	}
	return c
}
