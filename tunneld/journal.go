package main

import (
	"encoding/json"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"

	"tunneld/control"
)

// toJournal reports whether out leads to systemd's journal.
func toJournal(out io.Writer) bool {
	is, err := journal.StderrIsJournalStream()
	return out == os.Stderr && err == nil && is
}

// journalWriter takes the JSON lines of an eventLog and gives them to the
// journal with their fields, each led by TUNNELD_.
type journalWriter struct{}

// Write takes one line.
func (journalWriter) Write(line []byte) (int, error) {
	var e control.Event
	if err := json.Unmarshal(line, &e); err != nil {
		return 0, err
	}
	fields := map[string]string{"SYSLOG_IDENTIFIER": "tunneld"}
	for name, value := range map[string]string{
		"KIND": e.Kind, "PROFILE": e.Profile, "FORWARD": e.Forward, "APP": e.App, "STEP": string(e.Step),
		"STATE": e.State, "CODE": string(e.Code), "DETAIL": e.Detail, "HINT": e.Hint,
	} {
		if value != "" {
			fields["TUNNELD_"+name] = value
		}
	}
	if e.Repeats > 0 {
		fields["TUNNELD_REPEATS"] = strconv.Itoa(e.Repeats)
	}
	return len(line), journal.Send(subjectOf(e)+": "+oneLine(e.Message)+particulars(e), journalPriority(e.Level), fields)
}

// journalPriority is a level as syslog(3) has it; the log's JSON writes it in
// capitals.
func journalPriority(l control.Level) journal.Priority {
	switch control.Level(strings.ToLower(string(l))) {
	case control.Debug:
		return journal.PriDebug
	case control.Warn:
		return journal.PriWarning
	case control.Fault:
		return journal.PriErr
	default:
		return journal.PriInfo
	}
}
