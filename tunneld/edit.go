package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunneld/fault"
	"tunneld/identity"
	"tunneld/profiles"
)

func newEdit(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "edit PROFILE",
		Short: "Edit a profile, and check it before it counts",
		Long: "Open a copy of a profile in $VISUAL, else $EDITOR, else vi (Windows: notepad), and put it in place when the editor ends, if it has no " +
			"problem. Else the problems are shown and the copy can be edited again. An editor that returns at once must be told to wait: EDITOR='code --wait'.",
		Example: "  tunneld edit work\n  EDITOR=nano tunneld edit work",
		Args:    arguments(1, 1),

		ValidArgsFunction: g.completeProfile,
		RunE: func(c *cobra.Command, args []string) error {
			w, err := g.writer(c)
			if err != nil {
				return err
			}
			argv, err := editorCommand()
			if err != nil {
				return err
			}
			s := &editing{writer: w, argv: argv, profile: args[0], errors: c.ErrOrStderr(), terminal: isTerminal(c.InOrStdin())}
			return errors.Join(s.run(c.Context()), w.finish(c.Context()))
		},
	}
}

// editorCommand is the editor that the person chose.
func editorCommand() ([]string, error) {
	fallback := "vi"
	if runtime.GOOS == "windows" {
		fallback = "notepad"
	}
	line := or(or(os.Getenv("VISUAL"), os.Getenv("EDITOR")), fallback)
	argv, err := identity.SplitArgv(line)
	if err != nil || len(argv) == 0 {
		return nil, fmt.Errorf("the editor %q is no command line", line)
	}
	return argv, nil
}

// editing is one edit of a profile in an editor.
type editing struct {
	*writer
	argv     []string
	profile  string
	errors   io.Writer // where the problems go while the person may mend them
	terminal bool
}

// run edits a copy until it is good or given up. A copy that is not put in place
// is kept when it differs.
func (s *editing) run(ctx context.Context) error {
	old, err := s.loader.ReadProfile(s.profile)
	if err != nil {
		if fault.CodeOf(err) == fault.UnknownProfile {
			return hinted{err, "make it: tunneld init " + s.profile}
		}
		return err
	}
	dir, err := os.MkdirTemp("", "tunneld-edit-") // mode 0700
	if err != nil {
		return err
	}
	copied := filepath.Join(dir, s.profile+".toml") // editors know the language by it
	if err := os.WriteFile(copied, old, 0o600); err != nil {
		return err
	}
	for {
		began := time.Now()
		text, err := s.edit(ctx, copied)
		switch {
		case err == nil && bytes.Equal(text, old):
			fmt.Fprintln(s.out, "nothing was changed")
			if time.Since(began) < time.Second && s.terminal {
				fmt.Fprintln(s.errors, "hint: an editor that returns at once must be told to wait: EDITOR='code --wait'")
			}
			return os.RemoveAll(dir)
		case err == nil:
			err = s.put(old, text)
		}
		if err == nil {
			s.wrote(s.profile)
			return os.RemoveAll(dir)
		}
		if fault.CodeOf(err) == fault.BadProfile && s.again(err) {
			continue
		}
		if text == nil || bytes.Equal(text, old) { // there is nothing to keep
			return errors.Join(err, os.RemoveAll(dir))
		}
		return hinted{fmt.Errorf("%w; %s stays as it was", err, s.loader.File(s.profile)),
			strings.TrimPrefix(hintOf(err)+"; ", "; ") + "your text is in " + copied}
	}
}

// edit runs the editor, and returns what the copy says then.
func (s *editing) edit(ctx context.Context, file string) ([]byte, error) {
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt) // Ctrl-C is the editor's
	defer signal.Stop(interrupts)
	cmd := exec.CommandContext(ctx, s.argv[0], append(s.argv[1:len(s.argv):len(s.argv)], file)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	failed := cmd.Run()
	text, err := os.ReadFile(file)
	if failed != nil {
		return text, hinted{fmt.Errorf("the editor %s: %w", s.argv[0], failed), "VISUAL or EDITOR names another one"}
	}
	return text, err
}

// put checks the text and puts it in place.
func (s *editing) put(old, text []byte) error {
	_, problems := s.loader.Judge(s.profile, text)
	var serious []profiles.Problem
	for _, p := range problems {
		if !p.Warning {
			serious = append(serious, p)
		}
	}
	if len(serious) == 0 {
		s.began = time.Now()
		return profiles.ReplaceFile(s.loader.File(s.profile), old, text)
	}
	for _, p := range serious {
		fmt.Fprintln(s.errors, p)
	}
	return fault.New(fault.BadProfile, "", "%s", count(len(serious), "problem")).WithHint("mend the lines above")
}

// again asks whether to go on with a bad text.
func (s *editing) again(bad error) bool {
	if !s.terminal {
		return false
	}
	fmt.Fprintln(s.errors, bad)
	yes, err := confirm("Edit again?")
	return err == nil && yes
}
