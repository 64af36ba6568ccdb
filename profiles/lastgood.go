package profiles

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	if run.State == "" {
		return nil, false
	}
	text, err := readFile(filepath.Join(run.folder(), name+extension))
	return text, err == nil
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
	e, problems := run.useProfile(name, profilesFolder+"/"+name+extension, text)
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
	names := map[string]bool{}
	for name := range run.memory {
		names[name] = true
	}
	for _, name := range run.onDisk() {
		names[name] = true
	}
	delete(names, daemonCopy)
	var all []entry
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if e, ok := run.recall(name); ok {
			all = append(all, e)
		}
	}
	return all
}

// onDisk returns the names of the copies in the state folder.
func (run *reading) onDisk() []string {
	if run.State == "" {
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
	if run.memory == nil {
		run.memory = map[string]copied{}
	}
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
	if failed != nil {
		run.report(Problem{File: filepath.ToSlash(run.folder()), Warning: true,
			Message: "last good copies cannot be kept: " + reason(failed), Hint: "until then a restart forgets them"})
	}
}

// remember keeps a good version, and writes it where it is new.
func (run *reading) remember(name string, e entry) error {
	c := copied{entry: e}
	last, ok := run.memory[name]
	c.stored = ok && last.stored && bytes.Equal(last.text, e.text)
	var err error
	if !c.stored && run.State != "" {
		err = writeCopy(run.folder(), name+extension, e.text)
		c.stored = err == nil
	}
	run.memory[name] = c
	return err
}

// forgetMissing drops the copies whose file is no longer there.
func (run *reading) forgetMissing() error {
	for name := range run.memory {
		if !run.present[name] {
			delete(run.memory, name)
		}
	}
	var failed error
	for _, name := range run.onDisk() {
		if run.present[name] {
			continue
		}
		err := os.Remove(filepath.Join(run.folder(), name+extension))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = err
		}
	}
	return failed
}

// writeCopy puts a file in place whole or not at all, readable by its owner
// alone. It leaves a file that is right already as it is.
func writeCopy(dir, name string, text []byte) error {
	path := filepath.Join(dir, name)
	if old, err := readFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
