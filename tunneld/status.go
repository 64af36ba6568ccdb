package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunneld/control"
	"tunneld/fault"
)

func newStatus(g *globals) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status [PROFILE]",
		Short: "Show what runs",
		Long: "Show the state of every profile and forward, or of one profile, as the daemon observed it.\n" +
			"The exit status is 3 when something that should be up is not, and 4 when no daemon answers.",
		Example: "  tunneld status\n  tunneld status work --json",
		Args:    usage(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := g.connect(c.Context())
			if err != nil {
				return err
			}
			s, err := client.Status(c.Context())
			if err != nil {
				return err
			}
			for _, name := range args {
				if s, err = only(s, name); err != nil {
					return err
				}
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
	return c
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

// notUp returns the profiles and forwards that should be up and are not, with
// the profiles whose file is so wrong that nothing runs.
func notUp(s control.Status) []string {
	var names []string
	running := map[string]bool{}
	for _, p := range s.Profiles {
		running[profileFile(p.Name)] = true
		switch {
		case p.State == "disabled", p.State == "idle", p.State == "down" && p.StoppedBy != nil:
		case p.State != "up":
			names = append(names, p.Name)
		default:
			for _, f := range p.Forwards {
				if f.State == "waiting" || f.State == "retrying" {
					names = append(names, p.Name+"/"+f.Name)
				}
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
