package sshconfig

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Limits of what is read, so that no file can keep the reader busy for long.
const (
	maxDepth = 16      // of Include, as in ssh
	maxFiles = 1000    // that Include may open
	maxFile  = 1 << 20 // bytes
)

// reader goes through the files and collects what applies to the host.
type reader struct {
	env    Environment
	result Resolved
	active bool   // the block around the line applies
	system bool   // the file is the machine's, or included by it
	folder string // where relative Includes start
	files  int
}

// top reads one of the files that Resolve names.
func (r *reader) top(file string) error {
	r.folder = filepath.Join(r.env.Home, ".ssh")
	if r.system = r.env.System != "" && filepath.Dir(file) == filepath.Clean(r.env.System); r.system {
		r.folder = r.env.System
	}
	text, err := r.readFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	r.active = true
	r.text(file, text, 0)
	return nil
}

// readFile reads a file that only those have written whom the account trusts: it
// names programs to run. The machine's own are its administrator's affair.
func (r *reader) readFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return "", errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return "", err
	}
	if !r.system {
		if err := checkWriters(path, info); err != nil {
			return "", err
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if len(text) > maxFile {
		return "", errors.New("the file is over 1 MiB")
	}
	return string(text), err
}

// text reads the lines of one file.
func (r *reader) text(file, text string, depth int) {
	n := 0
	for s := range strings.Lines(text) {
		n++
		l, err := parseLine(s)
		v := Value{Keyword: l.keyword, Text: l.rest, File: file, Line: n}
		switch {
		case err != nil:
			if r.active {
				r.skip(v, err.Error(), false)
			}
		case l.keyword != "":
			r.line(v, l, depth)
		}
	}
}

// line obeys one directive.
func (r *reader) line(v Value, l line, depth int) {
	keyword := strings.ToLower(l.keyword)
	switch {
	case keyword == "host":
		r.active = r.host(l.args)
	case keyword == "match":
		r.active = r.match(v, l.args)
	case !r.active:
	case keyword == "include":
		r.include(v, l.args, depth+1)
	default:
		r.set(keyword, v, l)
	}
}

// include reads other files in the place of the line. Their blocks end with
// them.
func (r *reader) include(v Value, args []string, depth int) {
	if depth > maxDepth {
		r.skip(v, fmt.Sprintf("Include is nested deeper than %d files", maxDepth), false)
		return
	}
	for _, arg := range args {
		pattern, err := r.includePath(arg)
		if err != nil {
			r.skip(v, err.Error(), false)
			continue
		}
		files, err := filepath.Glob(pattern)
		if err != nil {
			r.skip(v, "not a pattern of file names", false)
		}
		for _, file := range files {
			r.includeFile(v, file, depth)
			r.active = true
		}
	}
}

func (r *reader) includeFile(v Value, file string, depth int) {
	if r.files++; r.files > maxFiles {
		if r.files == maxFiles+1 {
			r.skip(v, fmt.Sprintf("Include reads more than %d files", maxFiles), false)
		}
		return
	}
	text, err := r.readFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist): // as ssh: a link that leads nowhere
	case err != nil:
		r.skip(v, fmt.Sprintf("%s is not read: %s", file, err), false)
	default:
		r.text(file, text, depth)
	}
}

func (r *reader) includePath(arg string) (string, error) {
	path, err := r.replaceVariables(arg)
	if err != nil {
		return "", err
	}
	if path, err = r.homePath(path); err != nil || filepath.IsAbs(path) {
		return path, err
	}
	return filepath.Join(r.folder, path), nil
}

// set takes a keyword's value, unless it has one already.
func (r *reader) set(lower string, v Value, l line) {
	if name, ok := renamed[lower]; ok {
		lower = name
	}
	k, ok := carried[lower]
	if !ok {
		r.leave(lower, v, l)
		return
	}
	v.Keyword = k.name
	have := r.result.values[lower]
	if r.hasOtherWay(lower) || (len(have) > 0 && k.takes != everyWord && k.takes != everyLine) {
		return
	}
	for _, v.Text = range k.texts(l) {
		if !slices.ContainsFunc(have, func(h Value) bool { return h.Text == v.Text }) {
			have = append(have, v)
		}
	}
	r.result.values[lower] = have
}

// leave lists a keyword that is not carried over. One that is switched off
// changes nothing.
func (r *reader) leave(lower string, v Value, l line) {
	why, known := left[lower]
	if !known {
		why = notice{reason: "an unknown keyword"}
	}
	off := strings.EqualFold(l.args[0], "no") || strings.EqualFold(l.args[0], "none")
	r.skip(v, why.reason, why.harmless || off)
}

// hasOtherWay reports whether the first of ProxyJump and ProxyCommand has been
// read, which hides the other. ProxyJump none hides nothing.
func (r *reader) hasOtherWay(keyword string) bool {
	switch keyword {
	case "proxyjump":
		return len(r.result.values["proxycommand"]) > 0
	case "proxycommand":
		jump := r.result.text("ProxyJump")
		return jump != "" && jump != "none"
	}
	return false
}

func (r *reader) skip(v Value, reason string, harmless bool) {
	r.result.Skipped = append(r.result.Skipped, Skipped{v, reason, harmless})
}
