package main

import (
	"strings"

	"tunneld/examples"
	"tunneld/profiles"
)

const profilePageName = "tunneld-profile"

// profilePage is the page about profiles and daemon.toml: the schema has the
// types and defaults, the commented examples the words.
func profilePage() string {
	p := newManPage(profilePageName, "5", "what a tunnel is: the keys of a profile")
	p.section("SYNOPSIS")
	p.line(italic("profiles/NAME.toml") + ", " + italic("daemon.toml"))
	p.section("DESCRIPTION")
	p.text("A profile is a TOML file for one server. The name of the file, without .toml, is its own: two or more of a-z 0-9 . _ -, with no - or . first. " +
		"It stands in the folder profiles/ of the configuration folder; see tunneld(1).")
	p.macro("PP")
	p.text("Durations are 500ms, 15s, 10m. In paths ~ is the home folder, and a relative one starts at the configuration folder. " +
		"${NAME} takes a variable from tunneld's environment.")
	p.section("KEYS OF A PROFILE")
	p.keys(examples.Profile, profiles.Keys())
	p.section("KEYS OF DAEMON.TOML")
	p.keys(examples.Daemon, profiles.DaemonKeys())
	p.macro("PP")
	p.text("The tables [defaults.server], [defaults.link], [defaults.auth] and [defaults.host_key] take the keys of those of a profile, " +
		"and are what every profile inherits. A key that a profile writes itself wins.")
	p.section("EXAMPLES")
	p.code("[server]\nhost = \"bastion.example.com\"\nuser = \"ana\"\n\n[[forward.local]]\nname = \"db\"\nlisten = 5432\ntarget = \"db.internal:5432\"")
	p.section("SEE ALSO")
	p.line(bold("tunneld") + "(1), " + bold("tunneld-check") + "(1)")
	return p.String()
}

// keys describes each key that a commented file has.
func (p *manPage) keys(file string, schema []profiles.Key) {
	words := map[string]string{} // of the keys before, by their last part
	for _, k := range commentedKeys(file) {
		for _, s := range schema {
			if s.Name != k.name || strings.HasPrefix(k.name, "defaults.") {
				continue
			}
			last := k.name[strings.LastIndex(k.name, ".")+1:]
			words[last] = or(k.words, words[last]) // another kind of forward said it before
			p.item(bold(k.name)+" ("+escape(keyFacts(s))+")", or(strings.TrimRight(words[last], ","), "As its name says")+".")
		}
	}
}

// keyFacts are the type and the default of a key.
func keyFacts(k profiles.Key) string {
	what := k.Type
	if k.Enum != nil {
		what = strings.Join(k.Enum, ", ")
	}
	switch {
	case k.Required:
		return what + "; required"
	case k.Default != "":
		return what + "; default " + strings.ReplaceAll(k.Default, "|", ", ")
	}
	return what
}

// commentedKey is a key of a commented file with what is said about it.
type commentedKey struct{ name, words string }

// commentedKeys reads a file whose keys have their comments on their right, and
// go on in lines that have nothing else.
func commentedKeys(file string) (keys []commentedKey) {
	table := ""
	for line := range strings.Lines(file) {
		before, comment, _ := strings.Cut(strings.TrimRight(line, "\n"), "#")
		comment = strings.TrimSpace(comment)
		for _, fact := range []string{"example", "required"} { // which keyFacts has, or nobody needs
			comment = strings.TrimLeft(strings.TrimPrefix(comment, fact), ";: ")
		}
		code := strings.TrimSpace(before)
		name, _, isKey := strings.Cut(code, " = ")
		switch {
		case strings.HasPrefix(code, "[["):
			table = strings.Trim(code, "[]") + "[]."
		case strings.HasPrefix(code, "["):
			table = strings.Trim(code, "[]") + "."
		case isKey:
			keys = append(keys, commentedKey{table + name, comment})
		case before != "" && len(keys) > 0: // indented: the comment goes on
			keys[len(keys)-1].words += " " + comment
		}
	}
	return keys
}
