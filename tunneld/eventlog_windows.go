package main

import (
	"encoding/json"
	"strings"

	"golang.org/x/sys/windows/svc/eventlog"

	"tunneld/control"
	"tunneld/install"
)

// The numbers of our entries in the Event Log, by which a person can filter.
const (
	entryInfo    = 1
	entryWarning = 2
	entryError   = 3
)

// windowsEvents takes the JSON lines of an eventLog and gives errors, warnings,
// and the beginning and end of the daemon to the Event Log. Its texts are those
// of EventCreate.exe, which shows what it is given.
type windowsEvents struct {
	log *eventlog.Log // nil where there is none
}

func newWindowsEvents() *windowsEvents {
	log, _ := eventlog.Open(install.Name) // without it there still is the file
	return &windowsEvents{log}
}

// Write takes one line.
func (w *windowsEvents) Write(line []byte) (int, error) {
	var e control.Event
	if err := json.Unmarshal(line, &e); err != nil || w.log == nil {
		return len(line), err
	}
	var err error
	switch control.Level(strings.ToLower(string(e.Level))) {
	case control.Fault:
		err = w.log.Error(entryError, entryText(e))
	case control.Warn:
		err = w.log.Warning(entryWarning, entryText(e))
	case control.Info:
		if e.Kind == "daemon" {
			err = w.log.Info(entryInfo, entryText(e))
		}
	}
	return len(line), err
}

// entryText is an event as an administrator reads it.
func entryText(e control.Event) string {
	text := subjectOf(e) + ": " + oneLine(e.Message) + particulars(e)
	for _, part := range []struct{ name, value string }{
		{"step", string(e.Step)}, {"state", e.State}, {"hint", e.Hint},
	} {
		if part.value != "" {
			text += "\r\n" + part.name + ": " + oneLine(part.value)
		}
	}
	return text
}
