package profiles

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Draft is a profile made from another program's settings.
type Draft struct {
	Left []Left // what was not taken over, in the order of the lines

	entries []draftEntry
	env     Environment
}

// Left is a setting that a draft does not hold.
type Left struct {
	Setting  string // "Compression yes"
	File     string // or whatever holds it
	Line     int    // 0 where there are no lines
	Reason   string
	Harmless bool // the way to the server is the same without it
}

// String returns "file:line: setting: reason".
func (l Left) String() string {
	return fmt.Sprintf("%s: %s: %s", place{file: l.File, line: l.Line}.short(), l.Setting, l.Reason)
}

// short is the place without a line that is none.
func (p place) short() string {
	if p.line == 0 {
		return p.file
	}
	return p.String()
}

// draftEntry is one key, or one forward.
type draftEntry struct {
	table, key string // "server" and "port", or "forward" and the kind
	value      any    // string, int64, bool, []string or draftForward
	setting    string // what it comes from, for Left
	at         place
}

// draftForward is a forward, its addresses as a profile writes them. A dynamic
// one has no target.
type draftForward struct{ listen, target string }

// SetHost names the server, where the draft does not.
func (d *Draft) SetHost(host string) {
	named := slices.ContainsFunc(d.entries, func(e draftEntry) bool { return e.table == "server" && e.key == "host" })
	if !named {
		d.put(place{}, host, "server.host", host)
	}
}

// put adds a key, "table.key".
func (d *Draft) put(at place, setting, name string, value any) {
	table, key, _ := strings.Cut(name, ".")
	d.entries = append(d.entries, draftEntry{table, key, value, setting, at})
}

func (d *Draft) leave(at place, setting, reason string, harmless bool) {
	d.Left = append(d.Left, Left{setting, at.file, at.line, reason, harmless})
}

// under returns root with the draft below it. The host alone lies above: the
// one that the profile names is where the draft was looked up.
func (d *Draft) under(root *node) *node {
	below := &node{at: root.at, fields: map[string]*node{}}
	above := &node{at: root.at, fields: map[string]*node{}}
	for _, e := range d.entries {
		if e.table == "server" && e.key == "host" {
			above.field(e.table, holderOf(root, e.table).at).field(e.key, e.at).value = e.value
			continue
		}
		e.write(below.field(e.table, e.at))
	}
	return above.over(root.over(below))
}

// write puts the entry into its table.
func (e draftEntry) write(table *node) {
	n := table.field(e.key, e.at)
	switch v := e.value.(type) {
	case []string:
		for i, s := range v {
			n.item(i, e.at).value = s
		}
	case draftForward:
		f := n.item(len(n.items), e.at)
		f.field("listen", e.at).value = v.listen
		if v.target != "" {
			f.field("target", e.at).value = v.target
		}
	default:
		n.value = v
	}
}

// drop takes out what the problems are about, as far as they are at places of
// the draft, and reports whether there was any. What goes is left, with the
// problem for its reason.
func (d *Draft) drop(problems []Problem) bool {
	dropped := false
	for i := len(problems) - 1; i >= 0; i-- { // the items of a list from its end
		dropped = d.dropOne(problems[i]) || dropped
	}
	return dropped
}

func (d *Draft) dropOne(p Problem) bool {
	index := map[string]int{}
	for i, e := range d.entries {
		name := e.table + "." + e.key
		path := name
		if _, ok := e.value.(draftForward); ok {
			path += "[" + strconv.Itoa(index[name]) + "]"
			index[name]++
		}
		rest, found := strings.CutPrefix(p.Key, path)
		isTable := p.Key == e.table || p.Key == name
		if e.at.file != p.File || e.at.line != p.Line || (!isTable && !(found && (rest == "" || strings.ContainsAny(rest[:1], ".[")))) {
			continue
		}
		d.dropItem(i, rest, p.Message)
		return true
	}
	return false
}

// dropItem takes out an entry, or the one item of it that rest names.
func (d *Draft) dropItem(i int, rest, reason string) {
	e := &d.entries[i]
	list, isList := e.value.([]string)
	n, err := strconv.Atoi(strings.Trim(rest, "[]"))
	if isList && err == nil && n < len(list) && len(list) > 1 {
		d.leave(e.at, e.setting, list[n]+": "+reason, false)
		e.value = slices.Delete(slices.Clone(list), n, n+1)
		return
	}
	d.leave(e.at, e.setting, reason, false)
	d.entries = slices.Delete(d.entries, i, i+1)
}

// warnings say what of the way to the server is missing.
func (d *Draft) warnings() []Problem {
	var all []Problem
	for _, l := range d.Left {
		if !l.Harmless {
			all = append(all, Problem{File: l.File, Line: l.Line, Column: min(l.Line, 1), Key: "server.ssh_config",
				Message: l.Setting + ": " + l.Reason, Warning: true})
		}
	}
	return all
}

// yield takes out what belongs to a choice that the profile makes itself.
func (d *Draft) yield(root *node) {
	chosen := func(table string, keys ...string) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return root.find(table, key) != nil })
	}
	way, keys := chosen("server", "proxy_jump", "proxy"), chosen("auth", "identity_files")
	d.entries = slices.DeleteFunc(d.entries, func(e draftEntry) bool {
		switch e.key {
		case "proxy_jump", "proxy":
			return way
		case "identities_only", "certificate_files":
			return keys
		}
		return false
	})
}

// commandLine makes server.proxy of a command that the other program gives to
// a shell. Here it is split into words, so one that needs a shell brings it;
// on Windows there is none to bring.
func (e Environment) commandLine(text string) (string, bool) {
	const shell, slashes = "$`|&;<>()*?[]~#!{}\n", `\`
	switch {
	case !strings.ContainsAny(text, shell) && (e.Windows || !strings.Contains(text, slashes)):
		return "command:" + text, true
	case e.Windows:
		return "", false
	}
	return `command:sh -c '` + strings.ReplaceAll("exec "+text, "'", `'\''`) + "'", true
}
