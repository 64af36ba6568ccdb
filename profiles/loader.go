package profiles

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"tunneld/fault"
)

const (
	daemonFile     = "daemon.toml"
	misnamedFile   = "tunneld.toml" // nobody reads it
	profilesFolder = "profiles"
	extension      = ".toml"
)

// Loader reads a configuration folder, again and again. It remembers the last
// good version of each file, in memory and in the state folder. A Loader must
// not be used by two goroutines at once.
type Loader struct {
	Dir   string // the configuration folder, absolute
	State string // the state folder, absolute; empty keeps nothing on disk
	Env   Environment
	// Known has the algorithms that exist, by key: "ciphers", "kex", "macs",
	// "host_key_algorithms", "public_key_algorithms". Names of a missing key
	// are not checked.
	Known map[string][]string
	// Running reports whether a profile runs now, which decides who is at
	// fault in a conflict; nil means that none does.
	Running func(name string) bool
	// ReadOnly judges the files alone: no last good version stands in for a
	// bad one, and none is kept.
	ReadOnly bool

	memory map[string]copied // by the name of the copy
	undone map[string]edit   // the same: what is not to be taken; nil before the first Load
	judged map[string]entry  // by name: the good ones that Judge read, so that many edits read each once
}

// reading is one run through the folder.
type reading struct {
	*Loader
	defaults *node // [defaults] of daemon.toml, or nil
	set      Set
	problems []Problem
	good     map[string]entry // by the name of the copy: what is to be kept
	present  map[string]bool  // the same: whose file is there, good or bad
	lost     bool             // the profiles folder is missing, and there are copies of profiles
}

func (l *Loader) begin() *reading {
	return &reading{Loader: l, good: map[string]entry{}, present: map[string]bool{}}
}

// Load reads everything. It returns every good profile and all problems, in
// the order of files and lines. A bad file is replaced by its last good
// version. So is every file when the profiles folder is missing: that is a
// mistake more often than a wish, which an empty folder expresses. Without last
// good versions a folder that is not there is an empty set.
func (l *Loader) Load() (Set, []Problem) {
	run := l.begin()
	run.recallTrial()
	run.lost = run.isLost()
	run.misnamed()
	run.readDaemon()
	complete := run.readProfiles()
	if !run.ReadOnly {
		run.keep(complete)
	}
	return run.set, sortProblems(run.problems)
}

// LoadFile reads one profile from any path, whatever its name; a relative one
// starts at the working folder. The set holds it when it has no problem.
// Defaults come from the daemon.toml of the configuration folder, where that
// is good. Nothing is remembered.
func (l *Loader) LoadFile(path string) (Set, []Problem) {
	file := filepath.ToSlash(path)
	if rel, err := filepath.Rel(l.Dir, path); err == nil && filepath.IsLocal(rel) {
		file = filepath.ToSlash(rel)
	}
	text, err := readFile(path)
	if err != nil {
		return Set{}, unreadable(file, err)
	}
	return l.LoadText(file, text)
}

// LoadText is LoadFile for a text that is not in its file, or not yet.
func (l *Loader) LoadText(file string, text []byte) (Set, []Problem) {
	run := l.begin()
	run.readDaemon()
	e, problems := run.useProfile(strings.TrimSuffix(path.Base(file), extension), file, text)
	if p := run.missingJump(e); p != nil {
		problems = append(problems, *p)
	}
	if !serious(problems) {
		run.set.entries = []entry{e}
	}
	return run.set, sortProblems(problems)
}

// profileFile is a profile's file as problems name it.
func profileFile(name string) string { return profilesFolder + "/" + name + extension }

func (run *reading) report(problems ...Problem) { run.problems = append(run.problems, problems...) }

// misnamed finds settings of the daemon where nobody reads them.
func (run *reading) misnamed() {
	if _, err := os.Stat(filepath.Join(run.Dir, misnamedFile)); err == nil {
		run.report(Problem{File: misnamedFile, Message: "the daemon's settings are read from daemon.toml", Hint: "rename it"})
	}
}

// readDaemon takes daemon.toml, else its last good version, else the defaults.
func (run *reading) readDaemon() {
	run.set.daemonVersion = Current
	text, err := run.readOwn(daemonFile)
	switch missing := isMissing(err); {
	case (err == nil || missing) && run.isUndone(daemonCopy, text):
		run.present[daemonCopy] = true
		run.recallDaemon()
		run.set.daemonVersion = LastGood
	case missing && run.lost:
		run.recallDaemon()
	case missing:
		run.useDaemon(nil)
	default:
		run.takeDaemon(text, err)
	}
}

// takeDaemon takes what was read of daemon.toml, if that has no problem.
func (run *reading) takeDaemon(text []byte, err error) {
	run.present[daemonCopy] = true
	problems := unreadable(daemonFile, err)
	if err == nil {
		problems = run.useDaemon(text)
	}
	if len(problems) == 0 {
		run.good[daemonCopy] = entry{text: text}
		return
	}
	run.report(problems...)
	run.recallDaemon()
}

// recallDaemon takes the last good version of daemon.toml, else the defaults.
func (run *reading) recallDaemon() {
	if last, ok := run.lastText(daemonCopy); ok && !run.ReadOnly && len(run.useDaemon(last)) == 0 {
		run.set.daemonVersion = LastGood
		return
	}
	run.useDaemon(nil)
}

// useDaemon decodes daemon.toml into the set, whatever it is worth.
func (run *reading) useDaemon(text []byte) []Problem {
	run.set.daemonText = text
	root, problem := parse(daemonFile, text)
	if problem != nil {
		return []Problem{*problem}
	}
	r := run.reader(daemonFile)
	run.set.daemon = Daemon{}
	r.read(daemonTable, root, &run.set.daemon)
	r.judgeLink(run.set.daemon.Defaults.Link, root, "defaults", "link")
	run.defaults = root.find("defaults")
	return r.problems
}

// readProfiles puts every profile of the folder into the set. It reports
// whether the folder could be listed.
func (run *reading) readProfiles() bool {
	files, err := run.list()
	switch {
	case isMissing(err) && run.hasCopies():
		run.report(Problem{File: profilesFolder, Message: "the folder is missing; the last good versions stay", Hint: "put it back; an empty one stops every profile"})
		run.settle(run.allCopies())
		return false
	case err != nil && !isMissing(err):
		run.report(unreadable(profilesFolder, err)...)
		run.settle(run.allCopies())
		return false
	}
	var found []entry
	for _, f := range files {
		if !isProfileFile(f.Name()) {
			continue
		}
		if e, ok := run.find(f.Name()); ok {
			found = append(found, e)
		}
	}
	run.settle(append(found, run.unremoved()...))
	return true
}

// list returns what is in the profiles folder, in a system set only where nobody
// else can put something there.
func (run *reading) list() ([]fs.DirEntry, error) {
	folder := filepath.Join(run.Dir, profilesFolder)
	if run.Env.System {
		for _, err := range []error{checkWay(run.Dir), checkAccess(run.Dir, run.Dir), checkAccess(folder, run.Dir)} {
			if err != nil {
				return nil, err
			}
		}
	}
	return os.ReadDir(folder)
}

// readOwn reads a file of the configuration folder, in a system set only one that
// nobody else can change.
func (run *reading) readOwn(file string) ([]byte, error) {
	path := filepath.Join(run.Dir, filepath.FromSlash(file))
	if err := run.CheckAccess(path); err != nil {
		return nil, err
	}
	return readFile(path)
}

// CheckAccess refuses, in a system set, a file or folder that others than the
// machine's administrators and this account can change.
func (l *Loader) CheckAccess(path string) error {
	if !l.Env.System {
		return nil
	}
	return checkAccess(path, l.Dir)
}

// isLost reports whether the profiles folder is missing, although there were
// profiles.
func (run *reading) isLost() bool {
	_, err := os.Stat(filepath.Join(run.Dir, profilesFolder))
	return isMissing(err) && run.hasCopies()
}

func (run *reading) hasCopies() bool { return !run.ReadOnly && len(run.copies()) > 0 }

// find reads one file of the folder, or its last good version.
func (run *reading) find(base string) (entry, bool) {
	name, file := strings.TrimSuffix(base, extension), profilesFolder+"/"+base
	if err := checkStem(name); err != nil {
		file = profilesFolder + "/" + fault.Clean(base)
		r := run.reader(file)
		r.fault(place{file: file}, "", err)
		run.report(r.problems...)
		return entry{}, false
	}
	run.present[name] = true
	text, err := run.readOwn(file)
	if err != nil {
		run.report(unreadable(file, err)...)
		return run.recall(name)
	}
	if run.isUndone(name, text) {
		return run.recall(name)
	}
	if e, ok := run.judged[name]; ok && bytes.Equal(e.text, text) {
		return e, true
	}
	e, problems := run.useProfile(name, file, text)
	run.report(problems...)
	if serious(problems) {
		return run.recall(name)
	}
	if run.judged != nil {
		run.judged[name] = e
	}
	return e, true
}

// useProfile decodes a profile, whatever it is worth. What ssh_config says of
// the way to its server lies under it, as far as that is good.
func (run *reading) useProfile(name, file string, text []byte) (entry, []Problem) {
	root, problem := parse(file, text)
	if problem != nil {
		return entry{profile: Profile{Name: name}, version: Current, text: text}, []Problem{*problem}
	}
	root = root.over(run.defaults)
	draft, problems := run.consult(file, root)
	for {
		e, more := run.decodeProfile(name, file, draft.under(root))
		e.text = text
		if !draft.drop(more) {
			return e, append(append(problems, more...), draft.warnings()...)
		}
	}
}

// decodeProfile makes a profile of a document.
func (run *reading) decodeProfile(name, file string, root *node) (entry, []Problem) {
	e := entry{version: Current, profile: Profile{Name: name}}
	r := run.reader(file)
	if !r.read(profileTable, root, &e.profile) {
		return e, r.problems
	}
	r.fill(&e.profile, root)
	e.settings, e.listens, e.jump = r.settings, bindings(e.profile, root), jumpOf(e.profile, root)
	r.judgeListens(e.listens)
	return e, r.problems
}

func (run *reading) reader(file string) *reader {
	return &reader{file: file, dir: run.Dir, state: run.State, env: run.Env, known: run.Known, readOnly: run.ReadOnly}
}

// readFile reads a regular file, and of a long one enough to see that it is.
// Anything else is refused, since a pipe would be waited for.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile+4)) // a byte order mark does not count
}

// unreadable is the problem of a file as a whole, or none without an error.
func unreadable(file string, err error) []Problem {
	if err == nil {
		return nil
	}
	var t *trouble
	if errors.As(err, &t) {
		return []Problem{{File: file, Message: t.message, Hint: t.hint}}
	}
	return []Problem{{File: file, Message: "cannot be read: " + reason(err)}}
}

// reason is an error without the path, which the problem names already.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
