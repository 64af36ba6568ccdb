// Package sshconfig reads ssh_config(5) and says what it holds for one host.
//
// [Resolve] goes through the files as ssh does: Host and Match blocks, Include,
// quotes, the first value of a keyword wins, and tokens, ~ and ${NAME} are
// expanded at the end. What comes back is a [Resolved]: the values that tunneld
// can use, each a [Value] with its file and line, the jump hosts with what the
// files say about them, and in Skipped everything else that applies to the
// host, with a reason. Nothing is dropped in silence.
//
// It differs from ssh in three ways. Nothing is ever run, so Match exec does not
// match. There is one pass over the files, so Match canonical and final do not
// match either. And a line that makes ssh give up is skipped and listed.
//
// The reader is an own one: the module at hand, kevinburke/ssh_config, refuses
// files with Match user or exec and loses the places of values, and taking its
// defects away needs more code than the format.
package sshconfig

import (
	"fmt"
	"strings"
)

// Environment is what the files may refer to outside of themselves.
type Environment struct {
	Home       string // where ~ and relative Includes of the user's files are
	User       string // of this machine: %u, Match localuser
	UserID     string // %i
	Hostname   string // of this machine: %l, and up to the first dot %L
	RemoteUser string // chosen before the files are read, as by ssh -l; "" lets them say
	// System is the folder of the machine's own files, /etc/ssh, where their
	// relative Includes are.
	System string
	// Getenv looks a variable up for ${NAME}; nil means that none is set.
	Getenv func(name string) (string, bool)
}

// Value is one value with its place.
type Value struct {
	Keyword string // as ssh_config(5) spells it
	Text    string // without quotes, expanded
	File    string
	Line    int // from 1; 0 for RemoteUser
}

// Place returns "file:line".
func (v Value) Place() string { return fmt.Sprintf("%s:%d", v.File, v.Line) }

// Skipped is a line that applies to the host and was not carried over.
type Skipped struct {
	Value
	Reason   string
	Harmless bool // the way to the server is the same without it
}

// String returns "file:line: Keyword text: reason".
func (s Skipped) String() string {
	return fmt.Sprintf("%s: %s %s: %s", s.Place(), s.Keyword, s.Text, s.Reason)
}

// Resolved is what the files say about one host.
type Resolved struct {
	Host    string // as it was asked for
	Named   bool   // a Host line other than "Host *" names it
	Jumps   []Hop  // first hop first
	Skipped []Skipped

	values map[string][]Value // by keyword in lower case
}

// First returns the value of a keyword, which may be spelt in any case.
func (r Resolved) First(keyword string) (Value, bool) {
	all := r.All(keyword)
	if len(all) == 0 {
		return Value{}, false
	}
	return all[0], true
}

// All returns the values of a keyword that may have several.
func (r Resolved) All(keyword string) []Value { return r.values[strings.ToLower(keyword)] }

// text is the first value, or "".
func (r Resolved) text(keyword string) string {
	v, _ := r.First(keyword)
	return v.Text
}

// HostName is where to connect to: HostName, else the host itself.
func (r Resolved) HostName() string {
	if name := r.text("HostName"); name != "" {
		return name
	}
	return strings.ToLower(r.Host)
}

// Resolve reads files one after the other, as ssh reads ~/.ssh/config and then
// /etc/ssh/ssh_config. A file that does not exist says nothing; one that cannot
// be read is an error.
func Resolve(host string, env Environment, files ...string) (Resolved, error) {
	r, err := read(host, env, files)
	if err == nil {
		err = r.route(files, 0)
	}
	if err != nil {
		return Resolved{}, err
	}
	return r.result, nil
}

// read is Resolve without the jump hosts.
func read(host string, env Environment, files []string) (*reader, error) {
	r := &reader{env: env, result: Resolved{Host: host, values: map[string][]Value{}}}
	if env.RemoteUser != "" {
		r.result.values["user"] = []Value{{Keyword: "User", Text: env.RemoteUser}}
	}
	for _, file := range files {
		if err := r.top(file); err != nil {
			return nil, err
		}
	}
	r.expand()
	return r, nil
}
