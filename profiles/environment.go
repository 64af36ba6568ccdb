package profiles

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// Environment is what a profile may refer to outside the configuration folder.
type Environment struct {
	System bool   // the profiles belong to the machine, not to a person
	Home   string // where ~ is; empty when there is none
	User   string // the account's name
	// UserID and Hostname, of this machine, are for the tokens %i, %l and %L of
	// ssh_config; where they are empty, values with them are left out.
	UserID, Hostname string
	// Getenv looks a variable up for ${NAME}; nil means that none is set.
	Getenv  func(name string) (string, bool)
	Windows bool // paths and defaults are those of Windows
}

var (
	windowsVariable = regexp.MustCompile(`%([A-Za-z_][A-Za-z0-9_]+)%`)
	windowsAbsolute = regexp.MustCompile(`^([A-Za-z]:[\\/]|\\\\)`)
)

// trouble is what is wrong with a value; a reader adds the place and the key.
type trouble struct {
	message, hint string
}

func (t *trouble) Error() string { return t.message }

// withHint is an error with what to do about it.
func withHint(hint, format string, args ...any) error {
	return &trouble{fmt.Sprintf(format, args...), hint}
}

// expand replaces each ${NAME}. A command keeps its text: it is for another
// program.
func (e Environment) expand(s string) (string, error) {
	if strings.HasPrefix(s, "command:") {
		return s, nil
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", withHint("write ${NAME}", "${ without }")
		}
		value, err := e.variable(name)
		if err != nil {
			return "", err
		}
		out.WriteString(value)
		s = after
	}
}

func (e Environment) variable(name string) (string, error) {
	if e.Getenv != nil {
		if value, ok := e.Getenv(name); ok {
			return value, nil
		}
	}
	return "", withHint("set it in the environment of tunneld, or write the value out", "the variable ${%s} is not set", name)
}

// path makes a path absolute: ~ is the home folder, and a relative path starts
// at dir.
func (e Environment) path(dir, s string) (string, error) {
	if m := windowsVariable.FindStringSubmatch(s); m != nil {
		return "", withHint(fmt.Sprintf("write ${%s}", m[1]), "%s is not expanded", m[0])
	}
	if rest, ok := strings.CutPrefix(s, "~"); ok {
		return e.homePath(s, rest)
	}
	if s == "" || e.isAbsolute(s) {
		return s, nil
	}
	return filepath.Join(dir, s), nil
}

func (e Environment) homePath(s, rest string) (string, error) {
	switch {
	case rest != "" && rest[0] != '/' && (rest[0] != '\\' || !e.Windows):
		return "", withHint("write the home folder out", "%s: only ~/ is expanded", s)
	case e.Home == "":
		return "", errors.New("~ stands for nothing: the account has no home folder")
	}
	return filepath.Join(e.Home, rest), nil
}

func (e Environment) isAbsolute(s string) bool {
	if e.Windows && windowsAbsolute.MatchString(s) {
		return true
	}
	return strings.HasPrefix(s, "/") || filepath.IsAbs(s)
}
