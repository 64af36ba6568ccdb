package profiles

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
)

// trialFile is where the state folder keeps what nobody has kept yet.
const trialFile = "trial.json"

// edit is what a file said before and after; nil is no file.
type edit struct{ Before, After []byte }

// Try notes in the state folder that nobody has kept what the files say in after
// and not in before: the next process goes back to before, as [Loader.Undo] does.
// This one is not concerned.
func (l *Loader) Try(before, after Set) error {
	all := maps.Clone(l.undone)
	maps.Copy(all, changedTexts(before, after))
	return l.saveTrial(all)
}

// Undo goes back, from the next Load on, to what the files said in the set
// before, wherever they say something else in after. They are not touched: each
// is left out of account, with a problem that says so, until its text changes or
// Keep is called, by the next process too. The error is about the state folder,
// without which that one does not know.
func (l *Loader) Undo(before, after Set) error {
	undone := changedTexts(before, after)
	maps.Copy(l.undone, undone)
	failed := []error{l.saveTrial(l.undone)}
	for _, name := range slices.Sorted(maps.Keys(undone)) {
		if undone[name].Before == nil {
			failed = append(failed, l.forget(name))
			continue
		}
		e := before.entry(name)
		e.text = undone[name].Before // daemon.toml has no entry
		failed = append(failed, l.remember(name, e))
	}
	return errors.Join(failed...)
}

// Keep takes every file as it is again, from the next Load on. It reports
// whether one had been undone. The error is about the state folder: the next
// process undoes it again.
func (l *Loader) Keep() (undone bool, err error) {
	undone = len(l.undone) > 0
	clear(l.undone)
	return undone, l.saveTrial(nil)
}

// changedTexts are of the files that do not say in after what they said in before.
func changedTexts(before, after Set) map[string]edit {
	then, now := before.texts(), after.texts()
	names := maps.Clone(then)
	maps.Copy(names, now)
	all := map[string]edit{}
	for name := range names {
		if e := (edit{then[name], now[name]}); !sameText(e.Before, e.After) {
			all[name] = e
		}
	}
	return all
}

// saveTrial leaves all to the next process.
func (l *Loader) saveTrial(all map[string]edit) error {
	if len(all) == 0 {
		return l.removeState(trialFile)
	}
	text, err := json.Marshal(all)
	if err != nil || l.State == "" {
		return err
	}
	return l.writeState(trialFile, text)
}

// recallTrial undoes, at the first Load, what nobody kept while the process before
// was there.
func (run *reading) recallTrial() {
	if run.undone != nil {
		return
	}
	run.undone = map[string]edit{}
	text, err := run.readState(trialFile)
	if run.ReadOnly || err != nil || json.Unmarshal(text, &run.undone) != nil {
		return
	}
	var failed []error
	for name, e := range run.undone {
		if e.Before == nil {
			failed = append(failed, run.forget(name))
		} else {
			failed = append(failed, run.writeState(name+extension, e.Before))
		}
	}
	run.warnOfState(errors.Join(failed...))
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
	if !sameText(undone.After, text) {
		delete(run.undone, name)
		_ = run.saveTrial(run.undone)
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
