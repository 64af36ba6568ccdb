package main

import (
	"errors"
	"strings"

	"tunneld/profiles"
)

// end is one argument of cp: a path here, or PROFILE:path.
type end struct {
	profile string // "" is this machine
	path    string
}

// parseEnd reads an argument of cp. What stands before the first colon is a profile
// where it can be the name of one; ./x:y is a file, and so is C:\x, since a name has
// two characters or more.
func parseEnd(s string) end {
	name, path, found := strings.Cut(s, ":")
	if found && profiles.IsName(name) {
		return end{name, path}
	}
	return end{path: s}
}

// transfer is what cp is to do.
type transfer struct {
	profile string
	up      bool // to the server
	sources []string
	target  string
}

// parseTransfer reads the arguments of cp. All sources are on one side, and the
// target is on the other.
func parseTransfer(args []string) (transfer, error) {
	to := parseEnd(args[len(args)-1])
	t := transfer{profile: to.profile, up: to.profile != "", target: to.path}
	for i, arg := range args[:len(args)-1] {
		from := parseEnd(arg)
		switch {
		case from.profile != "" && to.profile != "":
			return t, hinted{errors.New("both sides are on a server"), "copy to this machine first, and from here to the other"}
		case from.profile == "" && to.profile == "":
			return t, hinted{errors.New("neither side is on a server"), "one side is PROFILE:path, such as work:notes.txt"}
		case i > 0 && from.profile != t.profile && !t.up:
			return t, hinted{errors.New("the sources are on different servers"), "copy from one after the other"}
		}
		if !t.up {
			t.profile = from.profile
		}
		t.sources = append(t.sources, from.path)
	}
	return t, nil
}
