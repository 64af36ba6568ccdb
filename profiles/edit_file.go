package profiles

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"tunneld/fault"
	"tunneld/internal/wholefile"
)

// Edit makes the new text of a profile from its text and what that says.
type Edit func(text []byte, p Profile) ([]byte, error)

// SetEnabled writes whether a profile runs, or with a name one of its forwards.
func SetEnabled(forward string, on bool) Edit {
	return func(text []byte, p Profile) ([]byte, error) {
		key, was := "enabled", p.Enabled
		if forward != "" {
			f, at, err := p.forward(forward)
			if err != nil {
				return nil, err
			}
			key, was = at+".enabled", f.Enabled
		}
		if was == on {
			return text, nil
		}
		return SetKey(text, key, fmt.Sprint(on))
	}
}

// AddForward adds f as [AppendForward] does.
func AddForward(f Forward) Edit {
	return func(text []byte, _ Profile) ([]byte, error) { return AppendForward(text, f) }
}

// RemoveForward takes out the forward of a name.
func RemoveForward(name string) Edit {
	return func(text []byte, p Profile) ([]byte, error) {
		_, at, err := p.forward(name)
		if err != nil {
			return nil, err
		}
		return RemoveKey(text, at)
	}
}

// forward finds a forward by its name, and its key.
func (p Profile) forward(name string) (Forward, string, error) {
	count := map[Kind]int{}
	for _, f := range p.Forwards {
		if f.Name == name {
			return f, fmt.Sprintf("forward.%s[%d]", f.Kind, count[f.Kind]), nil
		}
		count[f.Kind]++
	}
	return Forward{}, "", fault.New(fault.UnknownProfile, "", "%s has no forward %q", p.Name, name).
		WithHint("tunneld check --show %s lists them", p.Name)
}

// File is where the profile of a name is, if it is there.
func (l *Loader) File(name string) string {
	return filepath.Join(l.Dir, profilesFolder, name+extension)
}

// Apply edits the file of a profile. What comes of it must be a good profile
// beside all others, or else nothing is written and the error, of the code
// bad_profile, is the first problem. It reports whether the file was changed. Any
// number of processes may edit at once.
func (l *Loader) Apply(name string, edit Edit) (changed bool, err error) {
	err = alone(filepath.Dir(l.File(name)), func() error {
		changed, err = l.apply(name, edit)
		return err
	})
	return changed, err
}

func (l *Loader) apply(name string, edit Edit) (changed bool, err error) {
	old, err := l.ReadProfile(name)
	if err != nil {
		return false, err
	}
	before, problems := l.judging(name).readAlone(name, old)
	if err := firstSerious(problems); err != nil {
		return false, err
	}
	text, err := edit(old, before.profile)
	if err != nil || bytes.Equal(text, old) {
		return false, err
	}
	if _, problems = l.Judge(name, text); serious(problems) {
		return false, firstSerious(problems)
	}
	return true, replaceFile(l.File(name), old, text)
}

// ReadProfile returns the text of a profile. Its error has the code
// unknown_profile when there is no file of that name.
func (l *Loader) ReadProfile(name string) ([]byte, error) {
	text, err := readFile(l.File(name))
	if checkStem(name) != nil || errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.UnknownProfile, "", "there is no profile %q", name)
	}
	return text, err
}

// Judge returns what is wrong with a text for the profile of a name, beside the
// others in the folder; where two conflict, it is the one at fault. The profile
// is empty when it is bad in itself.
func (l *Loader) Judge(name string, text []byte) (Profile, []Problem) {
	run := l.judging(name)
	all, _ := run.Load()
	others := slices.DeleteFunc(all.entries, func(e entry) bool { return e.profile.Name == name })
	e, problems := run.readAlone(name, text)
	if serious(problems) {
		return Profile{}, sortProblems(problems)
	}
	run.settle(append(others, e))
	problems = append(problems, run.problems...)
	problems = slices.DeleteFunc(problems, func(p Problem) bool { return !p.Warning && p.File != profileFile(name) })
	return e.profile, sortProblems(problems)
}

// judging begins a reading that looks at the files alone, and in which all other
// profiles have what they want before the one of the name.
func (l *Loader) judging(name string) *reading {
	if l.judged == nil {
		l.judged = map[string]entry{}
	}
	judge := *l
	judge.ReadOnly, judge.memory, judge.undone = true, nil, nil
	judge.Running = func(other string) bool { return other != name }
	return judge.begin()
}

// readAlone reads a text for the profile of a name.
func (run *reading) readAlone(name string, text []byte) (entry, []Problem) {
	run.readDaemon()
	run.problems = nil // of daemon.toml, which is not asked about
	return run.useProfile(name, profileFile(name), text)
}

// firstSerious is the first problem as an error, or nil.
func firstSerious(problems []Problem) error {
	for _, p := range problems {
		if !p.Warning {
			hint := p.Hint
			p.Hint = ""
			return (&fault.Error{Code: fault.BadProfile, Message: p.Error(), Err: p}).WithHint("%s", hint)
		}
	}
	return nil
}

// ReplaceFile puts text in place of old, whole or not at all. The mode and the
// owner stay, and so does a symbolic link to the file. It is an error when the file
// no longer says old.
func ReplaceFile(path string, old, text []byte) error {
	return alone(filepath.Dir(path), func() error { return replaceFile(path, old, text) })
}

func replaceFile(path string, old, text []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if now, err := readFile(path); err != nil {
		return err
	} else if !bytes.Equal(now, old) {
		return fmt.Errorf("%s was changed by somebody else meanwhile", path)
	}
	return writeWhole(path, text, func(temp string) error { return keepAccess(path, temp) })
}

// CreateFile writes a file that is not there yet, whole or not at all, and the
// folder for it. It is readable by its owner alone; one that root writes, also by
// the folder's group, which may be a service's.
func CreateFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return alone(filepath.Dir(path), func() error {
		if _, err := os.Lstat(path); err == nil {
			return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
		}
		return writeWhole(path, text, shareAccess)
	})
}

// writeWhole puts a file in place, once prepare has given it to whom it is for.
func writeWhole(path string, text []byte, prepare func(temp string) error) error {
	err := wholefile.Write(path, text, func(f *os.File) error { return prepare(f.Name()) })
	if fault.As(err) == nil && errors.Is(err, fs.ErrPermission) {
		return fault.New(fault.PermissionDenied, "", "%w", err).
			WithHint("run it as the account that may write there, into the folder too")
	}
	return err
}
