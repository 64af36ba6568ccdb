package daemon

import (
	"context"
	"slices"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/forward"
	"tunneld/link"
	"tunneld/profiles"
)

// connecting are the steps of a connection, in their order; a check tells of
// these three when they succeed, and of any that fails.
var (
	connecting   = []fault.Step{fault.Resolve, fault.Connect, fault.Version, fault.Kex, fault.HostKey, fault.Auth}
	checkedSteps = []fault.Step{fault.Connect, fault.HostKey, fault.Auth}
)

// Check makes a fresh connection as the profile says, asks for each forward,
// and closes the connection. What runs is not touched.
func (s *Supervisor) Check(ctx context.Context, profile string) (control.CheckResult, error) {
	out := control.CheckResult{Profile: profile}
	t, err := s.fresh(ctx, profile)
	if err != nil {
		return out, err
	}
	defer t.end()
	seen := map[fault.Step]string{} // of the last server on the way
	t.link.Events = func(e link.Event) { seen[e.Step] = e.Detail }
	asked, wanted := checkForwards(t.profile.Forwards)
	failures, err := t.link.Trace(ctx, wanted...)
	if ctx.Err() != nil {
		return out, context.Cause(ctx)
	}
	out.Trials = checkSteps(profile, seen, err)
	if err != nil {
		return out, nil
	}
	for i, a := range asked {
		if a.Verdict != control.Skip {
			failure := failures[0]
			failures = failures[1:]
			if fault.CodeOf(failure) == fault.RemoteForwardDenied && s.isListening(profile, t.profile.Forwards[i]) {
				failure = nil // it cannot have twice what it may have once
			}
			a.Error = wireError(profile, failure, time.Now())
			a.Verdict = verdict(a.Error)
		}
		out.Trials = append(out.Trials, a)
	}
	return out, nil
}

// isListening reports whether a forward of a profile that runs listens.
func (s *Supervisor) isListening(profile string, f profiles.Forward) bool {
	t := s.tunnel(profile)
	return t != nil && slices.ContainsFunc(t.running(), func(r *running) bool {
		return r.spec == f && r.Status().State == forward.Listening
	})
}

// checkSteps are the steps of a connection that were seen, up to the one that
// failed.
func checkSteps(profile string, seen map[fault.Step]string, err error) (steps []control.Trial) {
	failed := wireError(profile, err, time.Now())
	if failed != nil && failed.Step == "" {
		failed.Step = fault.Connect
	}
	for _, step := range checkedSteps {
		detail, ok := seen[step]
		if ok && (failed == nil || slices.Index(connecting, step) < slices.Index(connecting, failed.Step)) {
			steps = append(steps, control.Trial{Step: step, Verdict: control.Pass, Detail: detail})
		}
	}
	if failed != nil {
		steps = append(steps, control.Trial{Step: failed.Step, Verdict: control.Fail, Error: failed})
	}
	return steps
}

// checkForwards returns a trial for each forward, and what is wanted of the
// server for those that are not skipped.
func checkForwards(forwards []profiles.Forward) (asked []control.Trial, wanted []link.Trial) {
	for _, f := range forwards {
		a := control.Trial{Step: fault.Forward, Forward: f.Name}
		t, why := trialOf(f)
		switch {
		case why != "":
			a.Verdict, a.Detail = control.Skip, why
		case t.Listen:
			a.Detail = "the server listens for " + f.Listen.String()
			wanted = append(wanted, t)
		default:
			a.Detail = f.Target.String()
			wanted = append(wanted, t)
		}
		asked = append(asked, a)
	}
	return asked, wanted
}

func verdict(failure *control.Error) control.Verdict {
	if failure != nil {
		return control.Fail
	}
	return control.Pass
}
