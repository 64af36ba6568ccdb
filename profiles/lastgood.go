package profiles

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tunneld/internal/wholefile"
)

// daemonCopy names the copy of daemon.toml. No profile has that name, because
// hidden files are not profiles.
const daemonCopy = ".daemon"

// copied is the last good version of one file, in memory.
type copied struct {
	entry
	stored bool // the state folder has it too
}

// folder is where the copies are.
func (l *Loader) folder() string { return filepath.Join(l.State, "last-good") }

// lastText returns the text of a file's last good version: what this process
// read, else what one before it left on disk.
func (run *reading) lastText(name string) ([]byte, bool) {
	if c, ok := run.memory[name]; ok {
		return c.text, true
	}
	text, err := run.readState(name + extension)
	return text, err == nil
}

// readState reads a file of the folder, in a system set only one that nobody
// else can change, or could have put there.
func (l *Loader) readState(file string) ([]byte, error) {
	if l.State == "" {
		return nil, fs.ErrNotExist
	}
	path := filepath.Join(l.folder(), file)
	for _, p := range []string{l.folder(), path} {
		if err := l.CheckAccess(p); err != nil {
			return nil, err
		}
	}
	return readFile(path)
}

// recall returns the last good version of a profile. One from the disk is read
// anew, and is of no use if it has become bad meanwhile.
func (run *reading) recall(name string) (entry, bool) {
	if c, ok := run.memory[name]; ok {
		c.version = LastGood
		return c.entry, true
	}
	text, ok := run.lastText(name)
	if !ok || run.ReadOnly {
		return entry{}, false
	}
	e, problems := run.useProfile(name, profileFile(name), text)
	e.version = LastGood
	return e, !serious(problems)
}

// unchanged reports whether e says what the last good version said.
func (run *reading) unchanged(e entry) bool {
	last, ok := run.lastText(e.profile.Name)
	return ok && bytes.Equal(last, e.text)
}

// allCopies returns every last good version: what there is when the folder
// cannot be listed.
func (run *reading) allCopies() []entry {
	var all []entry
	for _, name := range run.copies() {
		if e, ok := run.recall(name); ok {
			all = append(all, e)
		}
	}
	return all
}

// copies returns the names of the profiles that have a last good version.
func (run *reading) copies() []string {
	names := map[string]bool{}
	for name := range run.memory {
		names[name] = true
	}
	for _, name := range run.onDisk() {
		names[name] = true
	}
	delete(names, daemonCopy)
	return slices.Sorted(maps.Keys(names))
}

// onDisk returns the names of the copies in the state folder.
func (run *reading) onDisk() []string {
	if run.State == "" || run.CheckAccess(run.folder()) != nil {
		return nil
	}
	files, _ := os.ReadDir(run.folder()) // what cannot be read cannot be used
	var names []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), extension); ok {
			names = append(names, name)
		}
	}
	return names
}

// keep remembers what was good, and forgets the files that are gone. A state
// folder that cannot be written is one warning.
func (run *reading) keep(complete bool) {
	var failed error
	for _, name := range slices.Sorted(maps.Keys(run.good)) {
		if err := run.remember(name, run.good[name]); err != nil && failed == nil {
			failed = err
		}
	}
	if complete {
		if err := run.forgetMissing(); err != nil && failed == nil {
			failed = err
		}
	}
	run.warnOfState(failed)
}

func (run *reading) warnOfState(failed error) {
	if failed != nil {
		run.report(Problem{File: filepath.ToSlash(run.folder()), Warning: true,
			Message: "last good copies cannot be kept: " + reason(failed), Hint: "until then a restart forgets them"})
	}
}

// remember keeps a good version, and writes it where it is new.
func (l *Loader) remember(name string, e entry) error {
	c := copied{entry: e}
	last, ok := l.memory[name]
	c.stored = ok && last.stored && bytes.Equal(last.text, e.text)
	var err error
	if !c.stored && l.State != "" {
		err = l.writeState(name+extension, e.text)
		c.stored = err == nil
	}
	if l.memory == nil {
		l.memory = map[string]copied{}
	}
	l.memory[name] = c
	return err
}

// forgetMissing drops the copies whose file is no longer there.
func (run *reading) forgetMissing() error {
	names := run.onDisk()
	for name := range run.memory {
		names = append(names, name)
	}
	var failed error
	for _, name := range names {
		if run.present[name] {
			continue
		}
		if err := run.forget(name); err != nil {
			failed = err
		}
	}
	return failed
}

// forget drops the copy of a file.
func (l *Loader) forget(name string) error {
	delete(l.memory, name)
	return l.removeState(name + extension)
}

func (l *Loader) removeState(file string) error {
	if l.State == "" {
		return nil
	}
	err := os.Remove(filepath.Join(l.folder(), file))
	if isMissing(err) {
		return nil
	}
	return err
}

// writeState puts a file into the folder, in a system set only where nobody else
// can change it. It leaves one that is right already as it is.
func (l *Loader) writeState(file string, text []byte) error {
	if old, err := l.readState(file); err == nil && bytes.Equal(old, text) {
		return nil
	}
	if err := os.MkdirAll(l.folder(), 0o700); err != nil {
		return err
	}
	if err := l.CheckAccess(l.folder()); err != nil {
		return err
	}
	return wholefile.Write(filepath.Join(l.folder(), file), text, nil)
}
