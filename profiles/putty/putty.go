// Package putty reads the sessions that PuTTY saves.
//
// On Windows they are keys of the registry, elsewhere files; [Sessions] finds
// both, and [Parse] reads the text of a file. A [Session] is a name with its
// settings as PuTTY writes them: all of them, defaults too. [Session.Forwards]
// reads the port forwardings. What a profile makes of the rest is decided in
// package profiles.
package putty

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Session is one saved session.
type Session struct {
	Name     string
	File     string // or the registry key
	Settings map[string]Setting
}

// Setting is one value with its line; those of the registry have line 0.
type Setting struct {
	Text string
	Line int
}

// Text returns a setting, or "".
func (s Session) Text(key string) string { return s.Settings[key].Text }

// Number returns a setting that is a number, or 0.
func (s Session) Number(key string) int {
	n, err := strconv.Atoi(s.Text(key))
	if err != nil {
		return 0
	}
	return n
}

const maxLine = 1 << 16 // bytes; PuTTY's own lines are far shorter

// Parse reads the file of a session: lines of KEY=VALUE. A line without "=" is
// no setting, and of two with the same key the last one counts, as in PuTTY.
func Parse(name, file string, r io.Reader) (Session, error) {
	s := Session{Name: name, File: file, Settings: map[string]Setting{}}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		if key, text, found := strings.Cut(strings.TrimRight(lines.Text(), "\r"), "="); found {
			s.Settings[key] = Setting{text, n}
		}
	}
	if err := lines.Err(); err != nil {
		return Session{}, fmt.Errorf("read %s: %w", file, err)
	}
	return s, nil
}

func sortSessions(all []Session) {
	slices.SortFunc(all, func(a, b Session) int { return cmp.Compare(a.Name, b.Name) })
}

// unescapeName turns %20 into a space. What is no escape stays as it is.
func unescapeName(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				out.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}
