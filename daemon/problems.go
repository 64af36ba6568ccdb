package daemon

import (
	"path/filepath"
	"slices"
	"strings"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/profiles"
)

// daemonFile is how the settings of the daemon are named where no profile is.
const daemonFile = "daemon.toml"

// tellProblems tells what is wrong with the files, as far as it was not told
// after the load before: an edit of one file does not repeat the others'.
func (s *Supervisor) tellProblems(set profiles.Set, problems []profiles.Problem) {
	now := s.complaints(set, problems)
	for _, e := range now {
		if !slices.Contains(s.told, e) {
			s.journal.note(e)
		}
	}
	s.told = now
}

// hasFault reports whether any problem is more than a warning.
func hasFault(problems []profiles.Problem) bool {
	return slices.ContainsFunc(problems, func(p profiles.Problem) bool { return !p.Warning })
}

// complaints returns what there is to tell about the files.
func (s *Supervisor) complaints(set profiles.Set, problems []profiles.Problem) []control.Event {
	var all []control.Event
	for _, p := range problems {
		hint := p.Hint
		p.Hint = "" // it has its own place
		e := control.Event{Kind: "profile", Level: control.Fault, Profile: profileOf(p.File), Code: fault.BadProfile, Message: "problem in a profile", Detail: p.Error(), Hint: hint}
		if p.Warning {
			e.Level, e.Code, e.Message = control.Warn, "", "warning about a profile"
		}
		all = append(all, e)
	}
	if set.Len() == 0 {
		all = append(all, control.Event{Kind: "profile", Level: control.Warn, Message: "no profiles", Detail: filepath.Join(s.Loader.Dir, "profiles"), Hint: "tunneld init PROFILE writes one"})
	}
	if _, version := set.Daemon(); version == profiles.LastGood {
		all = append(all, control.Event{Kind: "profile", Level: control.Warn, Code: fault.BadProfile, Message: "the last good version stays in force", Detail: daemonFile})
	}
	for p := range set.All() {
		if set.Version(p.Name) == profiles.LastGood {
			all = append(all, control.Event{Kind: "profile", Level: control.Warn, Profile: p.Name, Code: fault.BadProfile, Message: "the last good version stays in force"})
		}
	}
	return all
}

// profileOf is the profile that a file is for, or "".
func profileOf(file string) string {
	if name, ok := strings.CutPrefix(file, "profiles/"); ok {
		return strings.TrimSuffix(name, ".toml")
	}
	return ""
}

// tellMended tells which files are in force again, since that may be all that a
// good save does.
func (s *Supervisor) tellMended(before, after profiles.Set) {
	_, then := before.Daemon()
	if _, now := after.Daemon(); then == profiles.LastGood && now == profiles.Current {
		s.journal.note(control.Event{Kind: "profile", Level: control.Info, Message: "the file is in force again", Detail: daemonFile})
	}
	for p := range after.All() {
		if before.Version(p.Name) == profiles.LastGood && after.Version(p.Name) == profiles.Current {
			s.journal.note(control.Event{Kind: "profile", Level: control.Info, Profile: p.Name, Message: "the file is in force again"})
		}
	}
}
