package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tunneld/control"
	"tunneld/fault"
)

// attendance is how long unlock and trust stay with an attempt: sshd's
// LoginGraceTime of two minutes ends it then anyway.
const attendance = 110 * time.Second

func newUnlock(g *globals) *cobra.Command {
	var stdin bool
	c := &cobra.Command{
		Use:   "unlock PROFILE",
		Short: "Answer what a blocked profile waits for",
		Long: "Answer what a blocked profile waits for: a passphrase, a password, a one-time code.\n" +
			"The answer goes to the daemon, which starts a fresh attempt; what the server asks beyond that is asked here too.",
		Example: "  tunneld unlock work\n  pass show work | tunneld unlock work --stdin",
		Args:    arguments(1, 1),

		ValidArgsFunction: g.completeProfile,
		RunE: func(c *cobra.Command, args []string) error {
			client, err := g.connect(c.Context())
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), attendance)
			defer cancel()
			u := &unlocker{client: client, profile: args[0], out: c.OutOrStdout(), ask: askTerminal}
			if stdin {
				lines := bufio.NewReader(c.InOrStdin())
				u.ask = func(control.PromptLine) (string, error) { return readLine(lines) }
			}
			return u.run(ctx)
		},
	}
	c.Flags().BoolVar(&stdin, "stdin", false, "read the answers from standard input, one a line")
	return c
}

// unlocker answers prompts until the profile is up, or has failed.
type unlocker struct {
	client  *control.Client
	profile string
	out     io.Writer
	ask     func(control.PromptLine) (string, error)
}

func (u *unlocker) run(ctx context.Context) error {
	asked := ""
	for {
		p, waits, err := findPrompt(ctx, u.client, u.profile)
		if err != nil {
			return err
		}
		if waits && p.HostKey != nil {
			return fault.New(p.Code, fault.HostKey, "%s waits for trust in the server's host key", u.profile).
				WithHint("tunneld trust %s", u.profile)
		}
		state, problem, err := profileState(ctx, u.client, u.profile)
		if err != nil {
			return err
		}
		isNew := waits && p.ID != asked
		if isNew && (asked == "" || state == "connecting") { // a question that is kept again is for the next time
			if err := u.answer(ctx, p); err != nil {
				return err
			}
			asked = p.ID
			continue
		}
		if over, err := u.outcome(state, problem, asked, waits && !isNew); over || err != nil {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// outcome tells how the attempt ended, when there is nothing to answer.
func (u *unlocker) outcome(state string, problem *control.Error, asked string, underWay bool) (over bool, err error) {
	switch {
	case state == "up":
		fmt.Fprintf(u.out, "%s is up\n", u.profile)
		return true, nil
	case underWay, state == "connecting":
		return false, nil
	case asked == "":
		return true, hinted{fmt.Errorf("%s is %s, and waits for nobody", u.profile, state),
			"tunneld up " + u.profile + " tries at once; tunneld status " + u.profile + " says more"}
	case problem != nil:
		return true, &fault.Error{Code: problem.Code, Step: problem.Step, Message: problem.Message, Hint: problem.Hint}
	default:
		return false, nil
	}
}

func (u *unlocker) answer(ctx context.Context, p control.Prompt) error {
	answers, err := put(os.Stderr, p, u.ask)
	if err != nil {
		return err
	}
	return u.client.Answer(ctx, control.Answer{ID: p.ID, Answers: answers})
}

// findPrompt returns what a profile waits for.
func findPrompt(ctx context.Context, client *control.Client, profile string) (control.Prompt, bool, error) {
	all, err := client.Prompts(ctx)
	if err != nil {
		return control.Prompt{}, false, err
	}
	for _, p := range all {
		if p.Profile == profile {
			return p, true, nil
		}
	}
	return control.Prompt{}, false, nil
}

// profileState returns a profile's state and why it is not up.
func profileState(ctx context.Context, client *control.Client, profile string) (string, *control.Error, error) {
	s, err := client.Status(ctx)
	if err != nil {
		return "", nil, err
	}
	for _, p := range s.Profiles {
		if p.Name == profile {
			return p.State, p.Error, nil
		}
	}
	return "", nil, fault.New(fault.UnknownProfile, "", "there is no profile %q", profile)
}

// pause waits a moment before the next look.
func pause(ctx context.Context) error {
	select {
	case <-time.After(100 * time.Millisecond):
		return nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("no outcome within %s", attendance)
		}
		return ctx.Err()
	}
}
