package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"tunneld/control"
)

// eventLog writes events with log/slog, one line each.
type eventLog struct {
	out   io.Writer
	queue *logQueue
	lines bool // out takes JSON alone, whatever log_format says

	mu      sync.Mutex // guards what follows
	handler slog.Handler
	closed  bool
}

// newEventLog logs as daemon.toml's defaults say, until configure. Close ends it.
func newEventLog(out io.Writer) *eventLog {
	if toJournal(out) {
		return newFieldLog(journalWriter{})
	}
	return startEventLog(&eventLog{out: out})
}

// newFieldLog logs JSON alone: out makes what it needs of the fields.
func newFieldLog(out io.Writer) *eventLog { return startEventLog(&eventLog{out: out, lines: true}) }

func startEventLog(l *eventLog) *eventLog {
	l.queue = newLogQueue(l.out)
	l.configure("info", "auto")
	return l
}

// configure sets log_level and log_format. "auto" is text on a terminal and
// elsewhere too; systemd's journal gets the fields.
func (l *eventLog) configure(level, format string) {
	options := &slog.HandlerOptions{Level: slogLevel(control.Level(level)), ReplaceAttr: rename}
	if f, ok := l.out.(*os.File); ok && format == "auto" && term.IsTerminal(int(f.Fd())) {
		options.ReplaceAttr = renameForTerminal
	}
	var handler slog.Handler = slog.NewTextHandler(l.queue, options)
	if format == "json" || l.lines {
		handler = slog.NewJSONHandler(l.queue, options)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handler = handler
}

// close writes out what waits.
func (l *eventLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		l.queue.close()
	}
}

// write logs one event. Its order is the caller's, who never waits.
func (l *eventLog) write(e control.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if n := l.queue.lost.Load(); n > 0 && l.queue.hasRoom() {
		l.handle(control.Event{Time: time.Now(), Level: control.Warn, Kind: "daemon", Message: "log lines lost", Detail: fmt.Sprint(n)})
		l.queue.lost.Add(-n)
	}
	l.handle(e)
}

func (l *eventLog) handle(e control.Event) {
	level := slogLevel(e.Level)
	if !l.handler.Enabled(context.Background(), level) {
		return
	}
	r := slog.NewRecord(e.Time, level, e.Message, 0)
	r.AddAttrs(slog.String("kind", e.Kind))
	for _, f := range []struct{ key, value string }{
		{"profile", e.Profile}, {"forward", e.Forward}, {"app", e.App}, {"step", string(e.Step)}, {"state", e.State},
		{"code", string(e.Code)}, {"detail", e.Detail}, {"hint", e.Hint},
	} {
		if f.value != "" {
			r.AddAttrs(slog.String(f.key, f.value))
		}
	}
	if e.Repeats > 0 {
		r.AddAttrs(slog.Int("repeats", e.Repeats))
	}
	_ = l.handler.Handle(context.Background(), r) // the queue never fails
}

func slogLevel(l control.Level) slog.Level {
	switch l {
	case control.Debug:
		return slog.LevelDebug
	case control.Warn:
		return slog.LevelWarn
	case control.Fault:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// rename gives slog's message the name that the log documents.
func rename(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.MessageKey {
		a.Key = "message"
	}
	return a
}

// renameForTerminal shortens the time for a person who watches.
func renameForTerminal(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.String(a.Key, a.Value.Time().Format("15:04:05.000"))
	}
	return rename(groups, a)
}
