package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tunneld/control"
	"tunneld/fault"
)

func newReload(g *globals) *cobra.Command {
	var opts control.ReloadOptions
	c := &cobra.Command{
		Use:   "reload",
		Short: "Read the profiles again",
		Long: "Make the daemon read its profiles again, and print what changed and every problem.\n" +
			"The last good version of a bad file goes on. The exit status is 1 when there are problems.\n\n" +
			"With --undo-after the daemon goes back to the versions from before, unless reload --keep comes in time: " +
			"for changes that may cut off the one who makes them. Files saved within the minute before are part of it. A restart goes back at once.",
		Example: "  tunneld reload\n  tunneld reload --undo-after 5m\n  tunneld reload --keep",
		Args:    arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("undo-after") && opts.UndoAfter <= 0 {
				return &usageError{c, errors.New("--undo-after: want more than no time")}
			}
			client, err := g.connect(c.Context())
			if err != nil {
				return err
			}
			r, err := client.Reload(c.Context(), opts)
			if err != nil {
				return err
			}
			err = printReload(c.OutOrStdout(), r)
			if opts.UndoAfter > 0 && r.UndoAt == nil {
				fmt.Fprintln(c.OutOrStdout(), "nothing to undo: what was saved more than a minute ago stays")
			}
			return err
		},
	}
	c.Flags().DurationVar(&opts.UndoAfter, "undo-after", 0, "go back after this time, such as 5m, unless --keep comes")
	c.Flags().BoolVar(&opts.Keep, "keep", false, "let the changes stay, also those that were undone")
	c.MarkFlagsMutuallyExclusive("undo-after", "keep")
	return c
}

// printReload writes what a reload did; its problems are its error.
func printReload(w io.Writer, r control.ReloadResult) error {
	for _, c := range r.Changes {
		fmt.Fprintln(w, c)
	}
	if len(r.Changes) == 0 {
		fmt.Fprintln(w, "nothing changed")
	}
	if r.UndoAt != nil {
		fmt.Fprintf(w, "undone at %s unless: tunneld reload --keep\n", r.UndoAt.Local().Format(time.TimeOnly))
	}
	serious := 0
	for _, p := range r.Problems {
		fmt.Fprintln(w, problemLine(p))
		if p.Hint != "" {
			fmt.Fprintln(w, noteIndent+"hint: "+p.Hint)
		}
		if !p.Warning {
			serious++
		}
	}
	if serious == 0 {
		return nil
	}
	return fault.New(fault.BadProfile, "", "%s", count(serious, "problem")).
		WithHint("mend the lines above; until then the last good versions go on")
}
