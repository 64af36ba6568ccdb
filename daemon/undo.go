package daemon

import (
	"context"
	"fmt"
	"time"

	"tunneld/control"
	"tunneld/profiles"
)

// lately is how long a saved file counts as part of the reload that comes after
// it: the watch is mostly faster than a person's, or a script's, next command.
const lately = time.Minute

// edit is what the watch took on its own, in one go or in several.
type edit struct {
	before profiles.Set // before the first of them
	last   time.Time
}

// note takes another change; before is what ran until then.
func (e *edit) note(before profiles.Set) {
	if !e.isFresh() {
		e.before = before
	}
	e.last = time.Now()
}

func (e *edit) isFresh() bool { return !e.last.IsZero() && time.Since(e.last) < lately }

// trial is a reload that will be undone.
type trial struct {
	before profiles.Set
	after  time.Duration
	at     time.Time
	timer  *time.Timer
}

// over is ready when the time is up; without a trial it never is.
func (t *trial) over() <-chan time.Time {
	if t == nil {
		return nil
	}
	return t.timer.C
}

// reload reads the folder again for somebody who asked, and so wants to hear of
// every problem.
func (s *Supervisor) reload(ctx context.Context, opts control.ReloadOptions) control.ReloadResult {
	before := s.set
	if s.lately.isFresh() {
		before = s.lately.before
	}
	if opts.Keep {
		s.keep()
	}
	s.told, s.lately = nil, edit{}
	result := s.load(ctx)
	if opts.UndoAfter > 0 {
		result.Changes = reloadResult(profiles.Diff(before, s.set), nil).Changes
		if len(result.Changes) > 0 || s.trial != nil {
			s.try(before, opts.UndoAfter)
		}
	}
	if s.trial != nil {
		result.UndoAt = &s.trial.at
	}
	return result
}

// try begins a trial, or gives the one that there is more time.
func (s *Supervisor) try(before profiles.Set, after time.Duration) {
	if s.trial != nil {
		before = s.trial.before
		s.trial.timer.Stop()
	}
	s.trial = &trial{before: before, after: after, at: time.Now().Add(after), timer: time.NewTimer(after)}
	s.saveTrial()
	s.journal.note(control.Event{Kind: "daemon", Level: control.Info, Message: "on trial", Detail: fmt.Sprintf("undone in %v", after), Hint: "tunneld reload --keep lets the changes stay"})
}

// keep ends a trial with what it brought, and takes what was undone before.
func (s *Supervisor) keep() {
	undone, err := s.Loader.Keep()
	if undone || s.trial != nil {
		s.journal.note(control.Event{Kind: "daemon", Level: control.Info, Message: "kept"})
	}
	s.tellForgetful(err)
	s.endTrial()
}

// endTrial forgets what there was to go back to.
func (s *Supervisor) endTrial() {
	if s.trial != nil {
		s.trial.timer.Stop()
	}
	s.trial, s.lately = nil, edit{}
}

// undo goes back to what ran before the trial.
func (s *Supervisor) undo(ctx context.Context) {
	t := s.trial
	s.endTrial()
	s.journal.note(control.Event{Kind: "daemon", Level: control.Warn, Message: "undone", Detail: fmt.Sprintf("nobody kept the changes within %v", t.after), Hint: "the files are as they were saved: change them, or tunneld reload --keep takes them"})
	s.tellForgetful(s.Loader.Undo(t.before, s.set))
	s.load(ctx)
}

// saveTrial makes sure that a restart undoes, too, what nobody has kept.
func (s *Supervisor) saveTrial() {
	if s.trial != nil {
		s.tellForgetful(s.Loader.Try(s.trial.before, s.set))
	}
}

func (s *Supervisor) tellForgetful(err error) {
	if err != nil {
		s.journal.note(control.Event{Kind: "daemon", Level: control.Warn, Message: "a restart does not know what is undone", Detail: err.Error()})
	}
}
