package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/profiles"
)

func newEnable(g *globals) *cobra.Command {
	return newSwitch(g, "enable", true, "Let profiles or forwards run, for good",
		"Write enabled = true where it says false, so that profiles or single forwards run, now and after every start.")
}

func newDisable(g *globals) *cobra.Command {
	return newSwitch(g, "disable", false, "Let profiles or forwards rest, for good",
		"Write enabled = false, so that profiles or single forwards rest, now and after every start.")
}

// newSwitch returns the command that writes enabled.
func newSwitch(g *globals, verb string, on bool, short, long string) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " PROFILE[/FORWARD]...",
		Short:   short,
		Long:    long + "\nA pattern such as 'lab-*' or 'work/db-*' stands for all that it matches. Everything else in the files stays as it is.",
		Example: fmt.Sprintf("  tunneld %s work\n  tunneld %s work/db\n  tunneld %s 'lab-*'", verb, verb, verb),
		Args:    targetArguments(1, anyNumber),

		ValidArgsFunction: g.completeSwitches,
		RunE: func(c *cobra.Command, args []string) error {
			w, err := g.writer(c)
			if err != nil {
				return err
			}
			targets, err := targetsOf(withoutApps(inventory(w.loader)), args)
			if err != nil {
				return hinted{err, "tunneld check --show lists profiles and forwards"}
			}
			var failed []error
			for _, t := range targets {
				failed = append(failed, w.apply(t.profile, profiles.SetEnabled(t.forward, on)))
			}
			return errors.Join(append(failed, w.finish(c.Context()))...)
		},
	}
}

// writer writes profiles for a command, and tells the daemon.
type writer struct {
	globals *globals
	folders folders
	loader  *profiles.Loader
	out     io.Writer
	began   time.Time // before the first write
	written []string  // profiles
	unheard bool      // the folder has no daemon to tell
}

func (g *globals) writer(c *cobra.Command) (*writer, error) {
	f, err := g.folders()
	if err != nil {
		return nil, err
	}
	loader, err := f.loader()
	if err != nil {
		return nil, err
	}
	loader.ReadOnly = true
	return &writer{globals: g, folders: f, loader: loader, out: c.OutOrStdout(), began: time.Now()}, nil
}

// apply edits a profile, and prints its path the first time.
func (w *writer) apply(profile string, edit profiles.Edit) error {
	changed, err := w.loader.Apply(profile, edit)
	if err == nil && changed {
		w.wrote(profile)
	}
	return err
}

func (w *writer) wrote(profile string) {
	if !slices.Contains(w.written, profile) {
		w.written = append(w.written, profile)
		fmt.Fprintln(w.out, w.loader.File(profile))
	}
}

// finish has the daemon of the folder, if one runs, read what was written, and
// prints what that changed.
func (w *writer) finish(ctx context.Context) error {
	if len(w.written) == 0 {
		return nil
	}
	client, err := w.globals.connect(ctx)
	if fault.CodeOf(err) == fault.DaemonNotRunning { // the next one reads the files
		w.unheard = true
		return nil
	}
	if err != nil {
		return err
	}
	s, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if w.unheard = s.Config != w.folders.config; w.unheard {
		return nil
	}
	r, err := client.Reload(ctx, control.ReloadOptions{})
	if err != nil {
		return err
	}
	// The watcher may have come first, so that the answer has no change.
	if err := client.Events(ctx, control.EventOptions{Since: w.began}, w.printChange); err != nil {
		return err
	}
	for _, p := range r.Problems {
		if name := strings.TrimSuffix(filepath.Base(p.File), ".toml"); !p.Warning && slices.Contains(w.written, name) {
			return fault.New(fault.BadProfile, "", "the daemon says: %s", problemLine(p)).WithHint("%s", p.Hint)
		}
	}
	return nil
}

func (w *writer) printChange(e control.Event) {
	if c, found := e.Change(); found {
		fmt.Fprintln(w.out, c)
	}
}

// putFile makes a profile's file, or replaces it with its mode and owner.
func putFile(path string, text []byte) error {
	old, err := os.ReadFile(path)
	switch {
	case err == nil:
		return profiles.ReplaceFile(path, old, text)
	case errors.Is(err, fs.ErrNotExist):
		return profiles.CreateFile(path, text)
	default:
		return err
	}
}
