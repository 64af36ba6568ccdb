package main

import (
	"context"
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
		Args:    arguments(1, anyNumber),

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
			targets, err := targetsOf(s, args)
			if err != nil {
				return err
			}
			for _, t := range targets {
				if err := act(c.Context(), client, action, t); err != nil {
					return err
				}
			}
			if wait == 0 {
				return nil
			}
			return awaitTargets(c.Context(), client, targets, wait)
		},
	}
	if action == control.Up {
		c.Flags().DurationVar(&wait, "wait", 0, "return when they are up, after this `duration` at most")
	}
	return c
}

// target is a profile, or one forward or program of it.
type target struct{ profile, forward, app string }

func act(ctx context.Context, client *control.Client, action control.Action, t target) error {
	if t.app != "" {
		return client.ActApp(ctx, action, t.profile, t.app)
	}
	return client.Act(ctx, action, t.profile, t.forward)
}

// targetsOf finds what the arguments name in s. A name that matches nothing is
// an error; so is a pattern.
func targetsOf(s control.Status, args []string) ([]target, error) {
	var targets []target
	for _, arg := range args {
		profile, name, _ := strings.Cut(arg, "/")
		before := len(targets)
		for _, p := range s.Profiles {
			if ok, err := path.Match(profile, p.Name); err != nil {
				return nil, fmt.Errorf("%q is no pattern: %w", arg, err)
			} else if !ok {
				continue
			}
			targets = append(targets, targetsIn(p, name)...)
		}
		if len(targets) == before {
			return nil, fault.New(fault.UnknownProfile, "", "nothing is called %q", arg).WithHint("tunneld status lists profiles, forwards and programs")
		}
	}
	return targets, nil
}

// targetsIn finds the forwards and programs of p that a pattern matches; without
// one it is p itself.
func targetsIn(p control.Profile, name string) (targets []target) {
	if name == "" {
		return []target{{profile: p.Name}}
	}
	for _, f := range p.Forwards {
		if ok, _ := path.Match(name, f.Name); ok {
			targets = append(targets, target{profile: p.Name, forward: f.Name})
		}
	}
	for _, a := range p.X11.Apps {
		if ok, _ := path.Match(name, a.Name); ok {
			targets = append(targets, target{profile: p.Name, app: a.Name})
		}
	}
	return targets
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
	for _, p := range s.Profiles {
		for _, t := range targets {
			switch {
			case t.profile != p.Name:
			case t.forward+t.app == "" && p.State != "up":
				down = append(down, p.Name+" "+p.State)
			}
			for _, f := range p.Forwards {
				if t.profile == p.Name && t.forward == f.Name && f.State != "listening" {
					down = append(down, p.Name+"/"+f.Name+" "+f.State)
				}
			}
			for _, a := range p.X11.Apps {
				if t.profile == p.Name && t.app == a.Name && a.State != "running" {
					down = append(down, p.Name+"/"+a.Name+" "+a.State)
				}
			}
		}
	}
	return down
}
