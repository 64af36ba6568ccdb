package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/profiles"
)

func newStatus(g *globals) *cobra.Command {
	var asJSON, live bool
	var wait time.Duration
	c := &cobra.Command{
		Use:   "status [PROFILE]",
		Short: "Show what runs",
		Long: "Show the state of every profile and forward, or of one profile, as the daemon observed it.\n" +
			"The exit status is 3 when something that should be up is not, and 4 when no daemon answers. With --wait it looks again until a daemon answers and all is up.\n" +
			"--watch is a live screen, with keys to restart, stop and unlock.",
		Example: "  tunneld status\n  tunneld status work --json\n  tunneld status --wait 30s\n  tunneld status --watch",
		Args:    arguments(0, 1),

		ValidArgsFunction: g.completeProfile,
		RunE: func(c *cobra.Command, args []string) error {
			if live {
				if err := watchable(c); err != nil {
					return err
				}
				client, _, err := g.status(c.Context(), args)
				if err != nil {
					return err
				}
				return watch(c.Context(), client, strings.Join(args, ""))
			}
			s, err := g.statusOnceUp(c.Context(), args, wait)
			if err != nil {
				return err
			}
			if asJSON {
				err = writeJSON(c.OutOrStdout(), s)
			} else {
				printTable(c.OutOrStdout(), s, time.Now())
			}
			if err != nil {
				return err
			}
			return verdict(s)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the status document")
	c.Flags().BoolVar(&live, "watch", false, "show a live screen")
	c.Flags().DurationVar(&wait, "wait", 0, "return when everything is up, after this `duration` at most")
	return c
}

// status asks the first daemon that answers, of one profile if it is named.
func (g *globals) status(ctx context.Context, args []string) (client *control.Client, s control.Status, err error) {
	if client, err = g.connect(ctx); err != nil {
		return nil, s, err
	}
	s, err = client.Status(ctx)
	for _, name := range args {
		if err == nil {
			s, err = only(s, name)
		}
	}
	return client, s, err
}

// shortestLook is what a look at the status may take, however short the wait is.
const shortestLook = time.Second

// statusOnceUp returns the status as soon as everything in it is up, after the
// limit at most. A daemon that is about to come is waited for too.
func (g *globals) statusOnceUp(ctx context.Context, args []string, limit time.Duration) (control.Status, error) {
	deadline := time.Now().Add(limit)
	for {
		s, err := g.look(ctx, args, deadline)
		hopeful := fault.CodeOf(err) == fault.DaemonNotRunning || err == nil && len(notUp(s)) > 0
		if !hopeful || !time.Now().Before(deadline) {
			return s, err
		}
		if err := pause(ctx); err != nil {
			return s, err
		}
	}
}

// look is status, which a daemon that does not answer keeps no longer than until
// the deadline of somebody who waits.
func (g *globals) look(ctx context.Context, args []string, deadline time.Time) (control.Status, error) {
	if left := time.Until(deadline); left > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, max(left, shortestLook))
		defer cancel()
	}
	_, s, err := g.status(ctx, args)
	return s, err
}

// only returns s with one profile and the problems of its file.
func only(s control.Status, name string) (control.Status, error) {
	file := profileFile(name)
	s.Profiles = slices.DeleteFunc(s.Profiles, func(p control.Profile) bool { return p.Name != name })
	s.Problems = slices.DeleteFunc(s.Problems, func(p control.Problem) bool { return p.File != file })
	if len(s.Profiles)+len(s.Problems) == 0 {
		return s, fault.New(fault.UnknownProfile, "", "the daemon has no profile %q", name).WithHint("tunneld status lists them")
	}
	return s, nil
}

// verdict is the error of a status in which something is not up.
func verdict(s control.Status) error {
	if names := notUp(s); len(names) > 0 {
		return exitError{fmt.Errorf("not up: %s", strings.Join(names, ", ")), exitNotUp}
	}
	return nil
}

// isTried says whether a forward, or a display at the server, should be up and is
// not.
func isTried(state string) bool { return state == "waiting" || state == "retrying" }

// notUp returns the profiles, and what is in them, that should be up and are not, with
// the profiles whose file is so wrong that nothing runs. Profiles on demand and
// manual ones may be down.
func notUp(s control.Status) []string {
	var names []string
	running := map[string]bool{}
	for _, p := range s.Profiles {
		running[profileFile(p.Name)] = true
		switch {
		case p.State == "disabled", p.Start == profiles.OnDemand, p.Start == profiles.Manual, p.StoppedBy != nil:
		case p.State != "up":
			names = append(names, p.Name)
		default:
			for _, f := range p.Forwards {
				if isTried(f.State) {
					names = append(names, p.Name+"/"+f.Name)
				}
			}
			if d := p.X11.Remote; d != nil && isTried(d.State) {
				names = append(names, p.Name+"/"+remoteName(*d))
			}
		}
	}
	for _, p := range s.Problems {
		name, isProfile := strings.CutPrefix(strings.TrimSuffix(p.File, ".toml"), "profiles/")
		if isProfile && !p.Warning && !running[p.File] {
			names = append(names, name)
			running[p.File] = true // once
		}
	}
	return names
}

// writeJSON writes v as people read JSON.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
