package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/profiles"
)

func newCheck(g *globals) *cobra.Command {
	k := &checker{globals: g}
	c := &cobra.Command{
		Use:   "check [PROFILE or FILE.toml]...",
		Short: "Validate profiles, and try them",
		Long: "Validate the profiles of the configuration folder, or those named, or single files. Nothing is connected to and nothing is written.\n" +
			"Every problem is one line: file:line:column, the key, what is wrong, what was probably meant.\n\n" +
			"With --connect each good profile is tried, too: a fresh connection, and on it every forward. A local one has the server open its target, " +
			"a remote one has it listen on a port of its choice; both are given up at once, and what runs is not touched.\n" +
			"The daemon connects where one answers that knows the profile, else this command does. Profiles that are disabled are tried when they are named.",
		Example:           "  tunneld check\n  tunneld check --show work\n  tunneld check --connect work\n  tunneld check ./new.toml",
		ValidArgsFunction: g.completeProfilesOrFiles,
		RunE: func(c *cobra.Command, args []string) error {
			k.out = c.OutOrStdout()
			return k.run(c.Context(), args)
		},
	}
	c.Flags().BoolVar(&k.show, "show", false, "print every key with its value and where that came from")
	c.Flags().BoolVar(&k.connect, "connect", false, "connect anew, and ask for each forward")
	c.Flags().BoolVar(&k.x11, "x11", false, "try what a window needs: the display, the server, and the way through both")
	c.Flags().BoolVar(&k.json, "json", false, "print JSON")
	return c
}

// checker is one run of the command.
type checker struct {
	globals             *globals
	out                 io.Writer
	show, connect, json bool
	x11                 bool
}

func (k *checker) run(ctx context.Context, args []string) error {
	f, err := k.globals.folders()
	if err != nil {
		return err
	}
	r, err := checkAll(f, args)
	if err != nil {
		return err
	}
	for i := range r.good {
		p := &r.good[i]
		if !k.json {
			p.print(k.out, k.show)
		}
		if k.connect && (p.enabled || len(args) > 0) {
			p.Trials = k.globals.try(ctx, *p)
		}
		if k.x11 && (p.enabled || len(args) > 0) {
			p.Trials = append(p.Trials, k.globals.tryX11(ctx, *p)...)
		}
		if !k.json {
			printTrials(k.out, p.Trials)
		}
	}
	if k.json {
		if err := r.printJSON(k.out); err != nil {
			return err
		}
		return r.verdict()
	}
	for _, p := range r.problems {
		fmt.Fprintln(k.out, p)
	}
	if len(args)+len(r.good)+len(r.problems) == 0 {
		fmt.Fprintf(k.out, "no profiles in %s\n%shint: tunneld init PROFILE writes one\n", filepath.Join(f.config, "profiles"), noteIndent)
	}
	return r.verdict()
}

// checked is what a check found.
type checked struct {
	good     []checkedProfile
	problems []profiles.Problem
}

// checkedProfile is a profile without problems.
type checkedProfile struct {
	Name     string             `json:"name"`
	Trials   []control.Trial    `json:"trials,omitempty"` // of --connect
	Settings []profiles.Setting `json:"-"`
	enabled  bool
	file     string   // the path, where the profile was named by that
	keys     []string // paths
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
		if !strings.HasSuffix(arg, ".toml") && filepath.Base(arg) == arg { // no name has a slash
			names = append(names, arg)
			continue
		}
		path, err := filepath.Abs(arg)
		if err != nil {
			return checked{}, err
		}
		if filepath.Base(path) == "daemon.toml" {
			return checked{}, hinted{fmt.Errorf("%s is no profile", arg), "a daemon.toml is checked with its folder: tunneld check --config DIR"}
		}
		set, problems := loader.LoadFile(path)
		r.add(set, problems, nil, path)
	}
	if len(names) > 0 || len(args) == 0 {
		set, problems := loader.Load()
		if err := known(names, set, problems); err != nil {
			return checked{}, err
		}
		r.add(set, problems, names, "")
	}
	r.problems = append(r.problems, unreadable(f, loader, r.good)...)
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
// A set of one file has its path.
func (r *checked) add(set profiles.Set, problems []profiles.Problem, names []string, path string) {
	wanted := func(name string) bool { return len(names) == 0 || slices.Contains(names, name) }
	for p := range set.All() {
		if wanted(p.Name) {
			r.good = append(r.good, checkedProfile{Name: p.Name, Settings: set.Show(p.Name), enabled: p.Enabled, file: path, keys: p.Auth.IdentityFiles})
		}
	}
	for _, p := range problems {
		name := strings.TrimSuffix(strings.TrimPrefix(p.File, "profiles/"), ".toml")
		if wanted(name) || !strings.HasPrefix(p.File, "profiles/") {
			r.problems = append(r.problems, p)
		}
	}
}

func (p checkedProfile) print(w io.Writer, show bool) {
	fmt.Fprintf(w, "%s: ok\n", p.Name)
	if !show {
		return
	}
	width := 0
	for _, s := range p.Settings {
		width = max(width, len(s.Key)+len(s.Value)+3)
	}
	for _, s := range p.Settings {
		fmt.Fprintf(w, "  %-*s  # %s\n", min(width, 60), s.Key+" = "+s.Value, s.Origin)
	}
}

func (r checked) printJSON(w io.Writer) error {
	doc := struct {
		Profiles []checkedProfile  `json:"profiles"`
		Problems []control.Problem `json:"problems"`
	}{append([]checkedProfile{}, r.good...), []control.Problem{}}
	for _, p := range r.problems {
		doc.Problems = append(doc.Problems, control.Problem{File: p.File, Line: p.Line, Column: p.Column, Key: p.Key, Message: p.Message, Hint: p.Hint, Warning: p.Warning})
	}
	return writeJSON(w, doc)
}

// verdict is the error of a check that found problems, or trials that failed.
func (r checked) verdict() error {
	serious, failed := 0, 0
	for _, p := range r.problems {
		if !p.Warning {
			serious++
		}
	}
	for _, p := range r.good {
		failed += failedIn(p.Trials)
	}
	const hint = "each line above names the place and what was probably meant"
	switch {
	case serious > 0 && failed > 0:
		return fault.New(fault.BadProfile, "", "%s, %s failed", count(serious, "problem"), count(failed, "trial")).WithHint(hint)
	case serious > 0:
		return fault.New(fault.BadProfile, "", "%s", count(serious, "problem")).WithHint(hint)
	case failed > 0:
		return hinted{fmt.Errorf("%s failed", count(failed, "trial")), "each line above with FAIL says why; tunneld trace PROFILE shows every step"}
	}
	return nil
}

// count is "1 problem" or "2 problems".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
