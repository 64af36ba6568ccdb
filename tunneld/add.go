package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tunneld/profiles"
)

func newAdd(g *globals) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "add PROFILE local|remote|dynamic LISTEN [TARGET]",
		Short: "Add a forward to a profile",
		Long: "Add a forward to a profile's file, behind the others of its kind. Everything else in the file stays as it is.\n" +
			"LISTEN and TARGET are host:port, or a port of localhost; a dynamic forward has no target.",
		Example: "  tunneld add work local 5432 db.internal:5432 --name db\n  tunneld add work remote 8080 3000\n  tunneld add work dynamic 1080",
		Args:    arguments(3, 4),

		ValidArgsFunction: g.completeAdd,
		RunE: func(c *cobra.Command, args []string) error {
			f, err := forwardOf(args[1], args[2], strings.Join(args[3:], ""))
			if err != nil {
				return &usageError{c, err}
			}
			f.Name = name
			w, err := g.writer(c)
			if err != nil {
				return err
			}
			return errors.Join(w.apply(args[0], profiles.AddForward(f)), w.finish(c.Context()))
		},
	}
	c.Flags().StringVar(&name, "name", "", "call the forward `NAME`; else it is the kind and the port")
	return c
}

// forwardOf reads a forward from the words of a command line; target is empty
// where there is none.
func forwardOf(kind, listen, target string) (f profiles.Forward, err error) {
	f.Kind = profiles.Kind(kind)
	switch {
	case f.Kind != profiles.Local && f.Kind != profiles.Remote && f.Kind != profiles.Dynamic:
		return f, fmt.Errorf("want local, remote or dynamic, not %q", kind)
	case f.Kind == profiles.Dynamic && target != "":
		return f, errors.New("a dynamic forward has no target: each client names its own")
	case f.Kind != profiles.Dynamic && target == "":
		return f, fmt.Errorf("a %s forward needs a target", kind)
	}
	if f.Listen, err = profiles.ParseAddress(listen); err != nil {
		return f, fmt.Errorf("listen address %q: %w", listen, err)
	}
	if target == "" {
		return f, nil
	}
	if f.Target, err = profiles.ParseAddress(target); err != nil {
		return f, fmt.Errorf("target %q: %w", target, err)
	}
	return f, nil
}

func newRemove(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "remove PROFILE/FORWARD",
		Short: "Take a forward out of a profile",
		Long: "Take a forward out of a profile's file, with the comments directly above it. Everything else in the file stays as it is.\n" +
			"Connections that are open through it are cut.",
		Example: "  tunneld remove work/db",
		Args:    arguments(1, 1),

		ValidArgsFunction: g.completeForward,
		RunE: func(c *cobra.Command, args []string) error {
			w, err := g.writer(c)
			if err != nil {
				return err
			}
			profile, forward, found := strings.Cut(args[0], "/")
			if !found || forward == "" {
				return &usageError{c, hinted{errors.New("remove takes out one forward, not a profile"),
					"delete " + w.loader.File(profile) + ", or let it rest: tunneld disable " + profile}}
			}
			return errors.Join(w.apply(profile, profiles.RemoveForward(forward)), w.finish(c.Context()))
		},
	}
}
