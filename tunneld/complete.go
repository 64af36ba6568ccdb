package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunneld/control"
	"tunneld/profiles"
)

// answerTime is how long a completion waits for the daemon before it looks into
// the folder.
const answerTime = 500 * time.Millisecond

// names are the profiles and their forwards, for a completion: as the daemon
// has them, else as the folder does, and none where there is a mistake. Nothing
// is written and nobody is asked.
func (g *globals) names(ctx context.Context) []control.Profile {
	quick, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if client, err := g.connect(quick); err == nil {
		if s, err := client.Status(quick); err == nil {
			return s.Profiles
		}
	}
	f, err := g.folders()
	if err != nil {
		return nil
	}
	loader, err := f.loader()
	if err != nil {
		return nil
	}
	loader.ReadOnly = true
	return inventory(loader)
}

// inventory is the names in the files, as a daemon would tell them. A bad file
// has a name too, and then no forwards.
func inventory(loader *profiles.Loader) (all []control.Profile) {
	set, _ := loader.Load()
	files, _ := filepath.Glob(loader.File("*")) // the pattern is good
	for _, file := range files {
		p := control.Profile{Name: strings.TrimSuffix(filepath.Base(file), ".toml")}
		good, _ := set.Profile(p.Name)
		for _, f := range good.Forwards {
			p.Forwards = append(p.Forwards, control.Forward{Name: f.Name})
		}
		for _, a := range good.X11.Apps {
			p.X11.Apps = append(p.X11.Apps, control.App{Name: a.Name})
		}
		all = append(all, p)
	}
	return all
}

// completeProfile completes the first argument, a profile.
func (g *globals) completeProfile(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return completing(typed, args, profileNames(g.names(c.Context()))), cobra.ShellCompDirectiveNoFileComp
}

// completeTargets completes profiles and, after a slash, their forwards and
// programs.
func (g *globals) completeTargets(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return completeAmong(g.names(c.Context()), args, typed)
}

// completeSwitches completes what can be enabled: profiles and forwards.
func (g *globals) completeSwitches(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return completeAmong(withoutApps(g.names(c.Context())), args, typed)
}

// withoutApps leaves out the programs.
func withoutApps(all []control.Profile) []control.Profile {
	for i := range all {
		all[i].X11.Apps = nil
	}
	return all
}

func completeAmong(all []control.Profile, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if profile, _, inside := strings.Cut(typed, "/"); inside {
		return completing(typed, args, append(forwardNames(all, profile), appNames(all, profile)...)), cobra.ShellCompDirectiveNoFileComp
	}
	return completing(typed, args, append(profileNames(all), forwardNames(all, typed)...)), cobra.ShellCompDirectiveNoFileComp
}

// completeApp completes the first argument, a program of a profile.
func (g *globals) completeApp(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	all := g.names(c.Context())
	for _, p := range all {
		names = append(names, appNames(all, p.Name)...)
	}
	return completing(typed, args, names), cobra.ShellCompDirectiveNoFileComp
}

// completeTarget is completeTargets for one alone.
func (g *globals) completeTarget(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return g.completeTargets(c, args, typed)
}

// completeForward completes the first argument, a forward of a profile.
func (g *globals) completeForward(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all := g.names(c.Context())
	if profile, _, inside := strings.Cut(typed, "/"); inside {
		return completing(typed, args, forwardNames(all, profile)), cobra.ShellCompDirectiveNoFileComp
	}
	var starts []cobra.Completion
	for _, name := range profileNames(all) {
		starts = append(starts, name+"/")
	}
	return completing(typed, args, starts), cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// completeProfilesOrFiles completes profiles, and files where no profile fits.
func (g *globals) completeProfilesOrFiles(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if fit := completing(typed, args, profileNames(g.names(c.Context()))); len(fit) > 0 {
		return fit, cobra.ShellCompDirectiveNoFileComp
	}
	return []cobra.Completion{"toml"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeAdd completes the arguments of add: a profile, then a kind.
func (g *globals) completeAdd(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return g.completeProfile(c, args, typed)
	}
	var kinds []cobra.Completion
	for _, kind := range profiles.Kinds() {
		kinds = append(kinds, string(kind))
	}
	return completing(typed, nil, kinds), cobra.ShellCompDirectiveNoFileComp
}

// anyFile leaves it to the shell.
var anyFile = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)

// completing returns what begins as it was typed and was not given before.
func completing(typed string, given []string, all []cobra.Completion) []cobra.Completion {
	return slices.DeleteFunc(all, func(one cobra.Completion) bool {
		return !strings.HasPrefix(one, typed) || slices.Contains(given, one)
	})
}

func profileNames(all []control.Profile) (names []cobra.Completion) {
	for _, p := range all {
		names = append(names, p.Name)
	}
	return names
}

// forwardNames are PROFILE/FORWARD for every forward of one profile.
func forwardNames(all []control.Profile, profile string) (names []cobra.Completion) {
	for _, p := range all {
		for _, f := range p.Forwards {
			if p.Name == profile {
				names = append(names, p.Name+"/"+f.Name)
			}
		}
	}
	return names
}

// appNames are PROFILE/APP for every program of one profile.
func appNames(all []control.Profile, profile string) (names []cobra.Completion) {
	for _, p := range all {
		for _, a := range p.X11.Apps {
			if p.Name == profile {
				names = append(names, p.Name+"/"+a.Name)
			}
		}
	}
	return names
}
