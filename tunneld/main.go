// Command tunneld keeps SSH tunnels up.
//
// What is printed where: results go to stdout; every error is one line
// "tunneld: WHAT" on stderr, with a second line "hint: ..." where there is
// something to do; the daemon's log goes to stderr. Exit status 1 means that it
// failed, 2 that the command was used wrongly, 3 that something that should be
// up is not, 4 that no daemon answers; shell and exec have the status of what
// they run, and 255 where tunneld failed.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tunneld/control"
	"tunneld/fault"
)

// Exit statuses.
const (
	exitFailed   = 1
	exitUsage    = 2
	exitNotUp    = 3
	exitNoDaemon = 4
)

func main() {
	os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr))
}

// execute runs one command line and returns the exit status.
func execute(args []string, stdout, stderr io.Writer) int {
	out := &output{Writer: stdout}
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.ExecuteContext(context.Background())
	if failed := out.failure(); failed != nil { // whatever came of the command, nobody can read it
		err = fmt.Errorf("printing: %w", failed)
	}
	if err == nil {
		return 0
	}
	if remote := remoteExit(0); errors.As(err, &remote) {
		return int(remote) // it has said what it had to say
	}
	report(stderr, err)
	return statusOf(err)
}

// report prints an error and what to do about it; of joined ones, each.
func report(w io.Writer, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			report(w, one)
		}
		return
	}
	fmt.Fprintf(w, "tunneld: %v\n", err)
	if hint := hintOf(err); hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
}

// exitError is an error with an exit status of its own.
type exitError struct {
	error
	status int
}

func (e exitError) Unwrap() error { return e.error }

func statusOf(err error) int {
	var own exitError
	switch {
	case errors.As(err, new(*usageError)):
		return exitUsage
	case errors.As(err, &own):
		return own.status
	case fault.CodeOf(err) == fault.DaemonNotRunning:
		return exitNoDaemon
	default:
		return exitFailed
	}
}

// newRoot returns the command with all its subcommands.
func newRoot() *cobra.Command {
	g := &globals{}
	root := &cobra.Command{
		Use:           "tunneld",
		Short:         "Keep SSH tunnels up",
		Long:          "tunneld keeps SSH tunnels up: it reads one TOML profile per server and keeps the forwards in it alive across reconnects.",
		Example:       "  tunneld demo\n  tunneld init work\n  tunneld run\n  tunneld status",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usage(isCommand),
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.PersistentPreRunE = usage(func(c *cobra.Command, _ []string) error { return c.ValidateFlagGroups() })
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return &usageError{c, err} })
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.SetHelpCommand(newHelp())
	root.SuggestionsMinimumDistance = 2
	g.register(root)
	root.AddCommand(
		newRun(g), newStatus(g), newEvents(g),
		newAct(g, control.Up), newAct(g, control.Down), newAct(g, control.Restart), newReload(g),
		newCheck(g), newTrace(g),
		newShell(g), newExec(g), newSSHProxy(g), newCp(g),
		newX11(g), newLaunch(g), newDisplay(g),
		newUnlock(g), newTrust(g), newSecret(g),
		newInit(g), newAdd(g), newRemove(g), newEnable(g), newDisable(g), newEdit(g), newImport(g),
		newService(g),
		newDemo(), newCompletion(), newMan(), newVersion(),
	)
	fitHelp(root)
	return root
}

// usageError says that a command was used wrongly.
type usageError struct {
	command *cobra.Command
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usage makes a check of arguments report a usageError.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return &usageError{c, err}
		}
		return nil
	}
}

// hinted is an error that says what to do.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

const anyNumber = math.MaxInt

// arguments checks how many there are.
func arguments(least, most int) cobra.PositionalArgs {
	return usage(func(c *cobra.Command, args []string) error {
		if least <= len(args) && len(args) <= most {
			return nil
		}
		return fmt.Errorf("want %s", strings.TrimSuffix(c.UseLine(), " [flags]"))
	})
}

func hintOf(err error) string {
	var h hinted
	var u *usageError
	switch {
	case errors.As(err, &h):
		return h.hint
	case errors.As(err, &u):
		return "see " + u.command.CommandPath() + " --help"
	case errors.Is(err, control.ErrUnanswered):
		return "it may hang or be suspended: its log may say why; if it stays so, end it and start it again"
	default:
		return fault.HintOf(err)
	}
}
