package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"tunneld/control"
	"tunneld/fault"
)

// try makes a fresh connection of a profile and asks for its forwards.
func (g *globals) try(ctx context.Context, p checkedProfile) []control.Trial {
	return g.tryBy(ctx, p, func(b backend) (control.CheckResult, error) { return b.Check(ctx, p.Name) })
}

// tryX11 tries what a window needs, on this session's display unless the profile
// has its own.
func (g *globals) tryX11(ctx context.Context, p checkedProfile) []control.Trial {
	return g.tryBy(ctx, p, func(b backend) (control.CheckResult, error) {
		display, err := ownDisplay(ctx)
		if err != nil {
			return control.CheckResult{}, err
		}
		return b.CheckX11(ctx, p.Name, control.X11Request{Display: display})
	})
}

// tryBy has the daemon try, or this process.
func (g *globals) tryBy(ctx context.Context, p checkedProfile, check func(backend) (control.CheckResult, error)) []control.Trial {
	var r control.CheckResult
	ask := func(b backend) (err error) { r, err = check(b); return err }
	var err error
	if p.file == "" {
		err = g.examine(ctx, p.Name, ask)
	} else {
		err = g.examineFile(p.file, ask)
	}
	if err != nil { // nothing could be tried
		return []control.Trial{{Step: fault.Connect, Verdict: control.Fail, Error: &control.Error{
			Code: fault.CodeOf(err), Message: messageOf(err), Hint: fault.HintOf(err), At: time.Now(),
		}}}
	}
	return r.Trials
}

// examineFile asks a supervisor in this process, which has the one profile.
func (g *globals) examineFile(path string, ask func(backend) error) error {
	s, err := g.local()
	if err != nil {
		return err
	}
	s.OpenFile(path) // it has no problem: that was looked at before
	return ask(s)
}

// messageOf is what err says without its code.
func messageOf(err error) string {
	if f := fault.As(err); f != nil {
		return f.Message
	}
	return err.Error()
}

// failedIn counts the trials that failed.
func failedIn(trials []control.Trial) (n int) {
	for _, t := range trials {
		if t.Verdict == control.Fail {
			n++
		}
	}
	return n
}

// verdictWords mark the lines of a check.
var verdictWords = map[control.Verdict]string{control.Pass: "pass", control.Fail: "FAIL", control.Skip: "skip"}

// printTrials writes a line for each trial, and under one that failed what to do.
func printTrials(w io.Writer, trials []control.Trial) {
	width := 0
	for _, t := range trials {
		width = max(width, len(trialName(t)))
	}
	for _, t := range trials {
		text := t.Detail
		if e := t.Error; e != nil {
			text = e.Message
			if e.Code != "" {
				text = string(e.Code) + ": " + text
			}
		}
		fmt.Fprintf(w, "  %s  %-*s  %s\n", verdictWords[t.Verdict], width, trialName(t), text)
		if t.Error != nil && t.Error.Hint != "" {
			fmt.Fprintln(w, noteIndent+"hint: "+t.Error.Hint)
		}
	}
}

func trialName(t control.Trial) string { return or(t.Forward+t.Part, string(t.Step)) }
