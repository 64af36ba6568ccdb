package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"tunneld/control"
	"tunneld/daemon"
	"tunneld/fault"
)

func newEvents(g *globals) *cobra.Command {
	l := &eventLister{globals: g}
	var since string
	c := &cobra.Command{
		Use:   "events [PROFILE[/NAME]]",
		Short: "Show what happened",
		Long: "Show what happened, newest last: of everything, of one profile, or of one of its forwards or programs. A pattern such as 'lab-*' stands for all that it matches.\n" +
			"With --follow it goes on with what happens, until Ctrl-C. Without a daemon, what the last one left in its state folder is shown.",
		Example: "  tunneld events\n  tunneld events work --since 30m\n  tunneld events work/db --follow\n  tunneld events --since 2026-11-22T10:00:00Z --json",
		Args:    targetArguments(0, 1),

		ValidArgsFunction: g.completeTarget,
		RunE: func(c *cobra.Command, args []string) error {
			l.out, l.notes = c.OutOrStdout(), c.ErrOrStderr()
			if err := l.choose(since, args); err != nil {
				return &usageError{c, err}
			}
			return l.run(c.Context())
		},
	}
	c.Flags().BoolVarP(&l.options.Follow, "follow", "f", false, "go on with what happens")
	c.Flags().StringVar(&since, "since", "24h", "leave out what was before: a `time` such as 12h ago, or 2026-11-22T10:00:00Z")
	c.Flags().BoolVar(&l.json, "json", false, "print JSON, one event a line")
	return c
}

// eventLister prints the events that somebody wants.
type eventLister struct {
	globals          *globals
	options          control.EventOptions
	profile, forward string // patterns; empty is all
	of               string // " of" what was asked for
	json             bool
	out, notes       io.Writer

	shown   int
	subject int // the widest so far
}

// choose takes what the command line says.
func (l *eventLister) choose(since string, args []string) (err error) {
	if l.options.Since, err = control.ParseSince(since, time.Now()); err != nil || len(args) == 0 {
		return err
	}
	l.profile, l.forward, _ = strings.Cut(args[0], "/")
	l.of = " of " + args[0]
	return nil
}

func (l *eventLister) run(ctx context.Context) error {
	client, err := l.globals.connect(ctx)
	switch {
	case fault.CodeOf(err) == fault.DaemonNotRunning && !l.options.Follow:
		err = l.readFiles()
	case err != nil:
	case l.options.Follow:
		return l.follow(ctx, client)
	default:
		err = l.list(ctx, client)
	}
	if err == nil && l.shown == 0 {
		fmt.Fprintf(l.notes, "no events%s since %s\n", l.of, l.options.Since.Local().Format(time.DateTime))
	}
	return err
}

// list prints what happened. It takes everything first: the daemon does not
// wait for a person who reads it page by page.
func (l *eventLister) list(ctx context.Context, client *control.Client) error {
	var all []control.Event
	err := client.Events(ctx, l.options, func(e control.Event) { all = append(all, e) })
	for _, e := range all {
		l.widen(e)
	}
	for _, e := range all {
		l.print(e)
	}
	return err
}

// follow prints what happens until somebody breaks it off. A daemon that ends
// before that is an error.
func (l *eventLister) follow(ctx context.Context, client *control.Client) error {
	ctx, stop := signal.NotifyContext(ctx, stopSignals()...)
	defer stop()
	err := client.Events(ctx, l.options, l.print)
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil:
		return hinted{errors.New("the daemon stopped"), "start it: tunneld run"}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return hinted{errors.New("the daemon broke off"), "it was killed, or nobody read what it told"}
	default:
		return err
	}
}

// readFiles prints what the last daemon left.
func (l *eventLister) readFiles() error {
	f, err := l.globals.folders()
	if err != nil {
		return err
	}
	fmt.Fprintf(l.notes, "no daemon answers: this is from %s\n", f.state)
	return daemon.KeptEvents(f.state, func(e control.Event) {
		if !e.Time.Before(l.options.Since) {
			l.print(e)
		}
	})
}

func (l *eventLister) isWanted(e control.Event) bool {
	if l.profile == "" {
		return true
	}
	name := e.Forward + e.App // it has one of them, or none
	return matches(l.profile, e.Profile) && (l.forward == "" || matches(l.forward, name))
}

// widen makes room for the subject of e, if it is printed.
func (l *eventLister) widen(e control.Event) {
	if l.isWanted(e) {
		l.subject = max(l.subject, utf8.RuneCountInString(subjectOf(e)))
	}
}

// subjectOf is whose event it is.
func subjectOf(e control.Event) string {
	if e.Profile == "" {
		return oneLine(e.Kind)
	}
	return oneLine(strings.TrimSuffix(e.Profile+"/"+e.Forward+e.App, "/"))
}

func (l *eventLister) print(e control.Event) {
	if !l.isWanted(e) {
		return
	}
	l.shown++
	if l.json {
		line, _ := json.Marshal(e) // an event has nothing that cannot be encoded
		fmt.Fprintf(l.out, "%s\n", line)
		return
	}
	l.widen(e)
	t := tableFor(l.out)
	fmt.Fprintf(l.out, "%s  %s  %s%s\n", e.Time.Local().Format(time.DateTime), pad(subjectOf(e), l.subject), t.painted(eventColor(e), oneLine(e.Message)), particulars(e))
	if e.Hint != "" {
		t.note(noteIndent, "hint: "+oneLine(e.Hint))
	}
}

// particulars are what follows an event's message.
func particulars(e control.Event) string {
	var text string
	for _, part := range []string{string(e.Code), e.Detail} {
		if part != "" {
			text += ": " + oneLine(part)
		}
	}
	if e.Repeats > 0 {
		text += fmt.Sprintf(" (%s before)", count(e.Repeats, "repeat"))
	}
	return text
}

func eventColor(e control.Event) string {
	switch {
	case e.Level == control.Fault:
		return red
	case e.Level == control.Warn:
		return yellow
	case e.State != "":
		return stateColor(e.State)
	default:
		return ""
	}
}

// oneLine is the first line of text, with nothing that a terminal would obey.
func oneLine(text string) string {
	line, _, more := strings.Cut(text, "\n")
	if more {
		line += " ..."
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, line)
}
