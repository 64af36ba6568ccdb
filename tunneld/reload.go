package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tunneld/control"
	"tunneld/fault"
)

func newReload(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Read the profiles again",
		Long: "Make the daemon read its profiles again, and print what changed and every problem.\n" +
			"The last good version of a bad file goes on. The exit status is 1 when there are problems.",
		Example: "  tunneld reload",
		Args:    usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := g.connect(c.Context())
			if err != nil {
				return err
			}
			r, err := client.Reload(c.Context())
			if err != nil {
				return err
			}
			return printReload(c.OutOrStdout(), r)
		},
	}
}

// printReload writes what a reload did; its problems are its error.
func printReload(w io.Writer, r control.ReloadResult) error {
	for _, c := range r.Changes {
		name := c.Profile
		if c.Forward != "" {
			name += "/" + c.Forward
		}
		fmt.Fprintf(w, "%s: %s\n", name, strings.ReplaceAll(c.Verb, "_", " "))
	}
	if len(r.Changes) == 0 {
		fmt.Fprintln(w, "nothing changed")
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
