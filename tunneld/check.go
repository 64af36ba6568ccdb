package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/profiles"
)

func newCheck(g *globals) *cobra.Command {
	var show, asJSON bool
	c := &cobra.Command{
		Use:   "check [PROFILE or FILE.toml]...",
		Short: "Validate profiles",
		Long: "Validate the profiles of the configuration folder, or those named, or single files. Nothing is connected to and nothing is written.\n" +
			"Every problem is one line: file:line:column, the key, what is wrong, what was probably meant.",
		Example: "  tunneld check\n  tunneld check --show work\n  tunneld check ./new.toml",
		RunE: func(c *cobra.Command, args []string) error {
			f, err := g.folders()
			if err != nil {
				return err
			}
			r, err := checkAll(f, args)
			if err != nil {
				return err
			}
			if asJSON {
				err = r.printJSON(c.OutOrStdout())
			} else {
				r.print(c.OutOrStdout(), show)
				if len(args)+len(r.good)+len(r.problems) == 0 {
					fmt.Fprintf(c.OutOrStdout(), "no profiles in %s\n", filepath.Join(f.config, "profiles"))
				}
			}
			if err != nil {
				return err
			}
			return r.verdict()
		},
	}
	c.Flags().BoolVar(&show, "show", false, "print every key with its value and where that came from")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// checked is what a check found.
type checked struct {
	good     []checkedProfile
	problems []profiles.Problem
}

// checkedProfile is a profile without problems.
type checkedProfile struct {
	Name     string             `json:"name"`
	Settings []profiles.Setting `json:"-"`
}

// checkAll checks what args name: everything, profiles by name, single files.
func checkAll(f folders, args []string) (checked, error) {
	loader, err := f.loader()
	if err != nil {
		return checked{}, err
	}
	loader.ReadOnly = true
	var r checked
	var names []string
	for _, arg := range args {
		if !strings.HasSuffix(arg, ".toml") {
			names = append(names, arg)
			continue
		}
		path, err := filepath.Abs(arg)
		if err != nil {
			return checked{}, err
		}
		set, problems := loader.LoadFile(path)
		r.add(set, problems, nil)
	}
	if len(names) > 0 || len(args) == 0 {
		set, problems := loader.Load()
		if err := known(names, set, problems); err != nil {
			return checked{}, err
		}
		r.add(set, problems, names)
	}
	return r, nil
}

// known reports a name that no file has.
func known(names []string, set profiles.Set, problems []profiles.Problem) error {
	for _, name := range names {
		_, found := set.Profile(name)
		for _, p := range problems {
			found = found || p.File == profileFile(name)
		}
		if !found {
			return fault.New(fault.UnknownProfile, "", "there is no profile %q", name)
		}
	}
	return nil
}

func profileFile(name string) string { return "profiles/" + name + ".toml" }

// add takes over what is good and bad, of the profiles named; none means all.
func (r *checked) add(set profiles.Set, problems []profiles.Problem, names []string) {
	wanted := func(name string) bool {
		for _, n := range names {
			if n == name {
				return true
			}
		}
		return len(names) == 0
	}
	for p := range set.All() {
		if wanted(p.Name) {
			r.good = append(r.good, checkedProfile{p.Name, set.Show(p.Name)})
		}
	}
	for _, p := range problems {
		name := strings.TrimSuffix(strings.TrimPrefix(p.File, "profiles/"), ".toml")
		if wanted(name) || !strings.HasPrefix(p.File, "profiles/") {
			r.problems = append(r.problems, p)
		}
	}
}

func (r checked) print(w io.Writer, show bool) {
	for _, p := range r.good {
		fmt.Fprintf(w, "%s: ok\n", p.Name)
		if !show {
			continue
		}
		width := 0
		for _, s := range p.Settings {
			width = max(width, len(s.Key)+len(s.Value)+3)
		}
		for _, s := range p.Settings {
			fmt.Fprintf(w, "  %-*s  # %s\n", min(width, 60), s.Key+" = "+s.Value, s.Origin)
		}
	}
	for _, p := range r.problems {
		fmt.Fprintln(w, p)
	}
}

func (r checked) printJSON(w io.Writer) error {
	doc := struct {
		Profiles []checkedProfile  `json:"profiles"`
		Problems []control.Problem `json:"problems"`
	}{append([]checkedProfile{}, r.good...), []control.Problem{}}
	for _, p := range r.problems {
		doc.Problems = append(doc.Problems, control.Problem{File: p.File, Line: p.Line, Column: p.Column, Key: p.Key, Message: p.Message, Hint: p.Hint})
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(doc)
}

// verdict is the error of a check that found problems.
func (r checked) verdict() error {
	serious := 0
	for _, p := range r.problems {
		if !p.Warning {
			serious++
		}
	}
	if serious == 0 {
		return nil
	}
	return fault.New(fault.BadProfile, "", "%s", count(serious, "problem")).WithHint("each line above names the place and what was probably meant")
}

// count is "1 problem" or "2 problems".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
