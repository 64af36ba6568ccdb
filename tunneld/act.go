package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunneld/control"
	"tunneld/fault"
)

// actTexts are the words of up, down and restart.
var actTexts = map[control.Action][2]string{
	control.Up: {"Start profiles, forwards or programs", "Start profiles, single forwards or programs that were stopped or are manual, connect what is on demand, and end a wait for the next attempt at once.\n" +
		"With --wait it returns when they are up, or with exit status 3 when they are not in time."},
	control.Down:    {"Stop profiles, forwards or programs", "Stop profiles, single forwards or programs, until the next up or restart of the daemon. Their open connections are cut."},
	control.Restart: {"Connect anew", "Connect profiles anew now, make single forwards listen anew, or start programs again. Their open connections are cut."},
}

// newAct returns the command for an action.
func newAct(g *globals, action control.Action) *cobra.Command {
	var wait time.Duration
	c := &cobra.Command{
		Use:     string(action) + " PROFILE[/NAME]...",
		Short:   actTexts[action][0],
		Long:    actTexts[action][1] + "\nA pattern such as 'lab-*' or 'work/db-*' stands for all that it matches.",
		Example: fmt.Sprintf("  tunneld %s work\n  tunneld %s work/db\n  tunneld %s 'lab-*'", action, action, action),
		Args:    targetArguments(1, anyNumber),

		ValidArgsFunction: g.completeTargets,
		RunE: func(c *cobra.Command, args []string) error {
			client, err := g.connect(c.Context())
			if err != nil {
				return err
			}
			s, err := client.Status(c.Context())
			if err != nil {
				return err
			}
			targets, err := targetsOf(s.Profiles, args)
			if err != nil {
				return hinted{err, "tunneld status lists profiles, forwards and programs"}
			}
			acted, err := actAll(c.Context(), client, action, targets)
			if err != nil || wait == 0 {
				return err
			}
			return awaitTargets(c.Context(), client, acted, wait)
		},
	}
	if action == control.Up {
		c.Flags().DurationVar(&wait, "wait", 0, "return when they are up, after this `duration` at most")
	}
	return c
}

// target is a profile, or one forward or program of it.
type target struct {
	profile, forward, app string
	matched               bool // by a pattern, and not named
}

// String is how people name t.
func (t target) String() string { return strings.TrimSuffix(t.profile+"/"+t.forward+t.app, "/") }

// actAll acts on all targets, also after one that fails, and returns those that
// did not. What a pattern matches and is disabled is passed over.
func actAll(ctx context.Context, client *control.Client, action control.Action, targets []target) (acted []target, err error) {
	var failed, passed []error
	for _, t := range targets {
		switch err := act(ctx, client, action, t); {
		case err == nil:
			acted = append(acted, t)
		case t.matched && fault.CodeOf(err) == fault.UnknownProfile:
			passed = append(passed, err)
		default:
			failed = append(failed, err)
		}
	}
	if len(acted) == 0 { // which the pattern was not meant for
		failed = append(failed, passed...)
	}
	return acted, errors.Join(failed...)
}

func act(ctx context.Context, client *control.Client, action control.Action, t target) error {
	if t.app != "" {
		return client.ActApp(ctx, action, t.profile, t.app)
	}
	return client.Act(ctx, action, t.profile, t.forward)
}

// targetArguments checks how many PROFILE[/NAME] there are, and that each is a
// pattern. With a slash and no name, as of an empty variable, a whole profile is not
// meant.
func targetArguments(least, most int) cobra.PositionalArgs {
	return usage(cobra.MatchAll(arguments(least, most), func(_ *cobra.Command, args []string) error {
		for _, arg := range args {
			if strings.HasSuffix(arg, "/") {
				return fmt.Errorf("%q has no name behind the slash", arg)
			}
			for pattern := range strings.SplitSeq(arg, "/") {
				if _, err := path.Match(pattern, ""); err != nil {
					return fmt.Errorf("%q is no pattern: %w", arg, err)
				}
			}
		}
		return nil
	}))
}

// targetsOf finds what the arguments name, which are patterns. One that matches
// nothing is an error.
func targetsOf(all []control.Profile, args []string) ([]target, error) {
	var targets []target
	for _, arg := range args {
		profile, name, _ := strings.Cut(arg, "/")
		before := len(targets)
		for _, p := range all {
			if matches(profile, p.Name) {
				targets = append(targets, targetsIn(p, name)...)
			}
		}
		found := targets[before:]
		if len(found) == 0 {
			return nil, fault.New(fault.UnknownProfile, "", "nothing is called %q", arg)
		}
		for i := range found {
			found[i].matched = strings.ContainsAny(arg, `*?[\`)
		}
	}
	return targets, nil
}

// targetsIn finds the forwards and programs of p that a pattern matches; without
// one it is p itself.
func targetsIn(p control.Profile, pattern string) (targets []target) {
	if pattern == "" {
		return []target{{profile: p.Name}}
	}
	for _, f := range p.Forwards {
		if matches(pattern, f.Name) {
			targets = append(targets, target{profile: p.Name, forward: f.Name})
		}
	}
	for _, a := range p.X11.Apps {
		if matches(pattern, a.Name) {
			targets = append(targets, target{profile: p.Name, app: a.Name})
		}
	}
	return targets
}

// matches is path.Match for a pattern that targetArguments has let pass.
func matches(pattern, name string) bool {
	ok, _ := path.Match(pattern, name)
	return ok
}

// awaitTargets waits until all targets are up.
func awaitTargets(ctx context.Context, client *control.Client, targets []target, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for {
		s, err := client.Status(ctx)
		if err != nil {
			return err
		}
		down := lagging(s, targets)
		switch {
		case len(down) == 0:
			return nil
		case time.Now().After(deadline):
			return exitError{hinted{fmt.Errorf("not up after %s: %s", limit, strings.Join(down, ", ")), "tunneld status says why"}, exitNotUp}
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// lagging lists the targets that are not up, each with its state.
func lagging(s control.Status, targets []target) (down []string) {
	for _, t := range targets {
		if state := t.state(s); state != "up" && state != "listening" && state != "running" {
			down = append(down, t.String()+" "+state)
		}
	}
	return down
}

// state is how the target is; it may be gone meanwhile.
func (t target) state(s control.Status) string {
	for _, p := range s.Profiles {
		if p.Name != t.profile {
			continue
		}
		if t.forward+t.app == "" {
			return p.State
		}
		for _, f := range p.Forwards {
			if f.Name == t.forward {
				return f.State
			}
		}
		for _, a := range p.X11.Apps {
			if a.Name == t.app {
				return a.State
			}
		}
	}
	return "gone"
}
