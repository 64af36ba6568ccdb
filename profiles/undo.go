package profiles

import (
	"bytes"
	"errors"
	"maps"
	"slices"
)

// Undo goes back, from the next Load on, to what the files said in the set
// before, wherever they say something else in after. They are not touched: each
// is left out of account, with a problem that says so, until its text changes or
// Keep is called. The error is about the copies in the state folder, without
// which a restart does not know the versions before.
func (l *Loader) Undo(before, after Set) error {
	texts, wanted := after.texts(), before.texts()
	names := maps.Clone(texts)
	maps.Copy(names, wanted)
	var failed []error
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if sameText(texts[name], wanted[name]) {
			continue
		}
		if l.undone == nil {
			l.undone = map[string][]byte{}
		}
		l.undone[name] = texts[name]
		if wanted[name] == nil {
			failed = append(failed, l.forget(name))
			continue
		}
		e := before.entry(name)
		e.text = wanted[name] // daemon.toml has no entry
		failed = append(failed, l.remember(name, e))
	}
	return errors.Join(failed...)
}

// Keep takes every file as it is again, from the next Load on. It reports
// whether one had been undone.
func (l *Loader) Keep() bool {
	any := len(l.undone) > 0
	l.undone = nil
	return any
}

// texts returns what each file says, by the name of its copy.
func (s Set) texts() map[string][]byte {
	texts := map[string][]byte{}
	if s.daemonText != nil {
		texts[daemonCopy] = s.daemonText
	}
	for _, e := range s.entries {
		texts[e.profile.Name] = e.text
	}
	return texts
}

// isUndone reports whether the file of a copy's name has a text that was undone;
// nil means that there is no file. A file that says something else is taken.
func (run *reading) isUndone(name string, text []byte) bool {
	undone, ok := run.undone[name]
	if !ok {
		return false
	}
	if !sameText(undone, text) {
		delete(run.undone, name)
		return false
	}
	file := profilesFolder + "/" + name + extension
	if name == daemonCopy {
		file = daemonFile
	}
	run.report(Problem{File: file, Message: "undone: nobody kept this change in time; what was before runs", Hint: "tunneld reload --keep takes it, and so does another change"})
	return true
}

// unremoved returns the last good versions of the profiles whose removal was
// undone.
func (run *reading) unremoved() []entry {
	var all []entry
	for _, name := range slices.Sorted(maps.Keys(run.undone)) {
		if name == daemonCopy || run.present[name] || !run.isUndone(name, nil) {
			continue
		}
		run.present[name] = true
		if e, ok := run.recall(name); ok {
			all = append(all, e)
		}
	}
	return all
}

// sameText reports whether two files say the same; nil is no file.
func sameText(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }
