package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tunneld/control"
	"tunneld/fault"
)

// askFingerprint is the question below a host key that nobody vouched for.
const askFingerprint = "Is that the fingerprint that the administrator gave you?"

func newTrust(g *globals) *cobra.Command {
	var fingerprint string
	var replace bool
	c := &cobra.Command{
		Use:   "trust PROFILE",
		Short: "Accept the host key that a profile waits with",
		Long: "Show the host key that a profile waits with, and accept it: it is written to the first of host_key.known_hosts.\n" +
			"A changed key is accepted only with --replace and --fingerprint, as it was compared with the administrator.",
		Example: "  tunneld trust work\n  tunneld trust work --fingerprint SHA256:...\n  tunneld trust work --replace --fingerprint SHA256:...",
		Args:    arguments(1, 1),

		ValidArgsFunction: g.completeProfile,
		RunE: func(c *cobra.Command, args []string) error {
			client, err := g.connect(c.Context())
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), attendance)
			defer cancel()
			p, waits, err := findPrompt(ctx, client, args[0])
			if err != nil {
				return err
			}
			if !waits || p.HostKey == nil {
				state, _, err := profileState(ctx, client, args[0])
				if err != nil {
					return err
				}
				return hinted{fmt.Errorf("%s is %s, and waits with no host key", args[0], state), "tunneld status " + args[0]}
			}
			return trust(ctx, client, c.OutOrStdout(), p, fingerprint, replace)
		},
	}
	c.Flags().StringVar(&fingerprint, "fingerprint", "", "the `SHA256:...` that was compared")
	c.Flags().BoolVar(&replace, "replace", false, "accept a key that differs from the known one")
	return c
}

// trust shows the key, checks it against what the person compared, and has it
// learned.
func trust(ctx context.Context, client *control.Client, out io.Writer, p control.Prompt, fingerprint string, replace bool) error {
	k := p.HostKey
	fmt.Fprintf(out, "%s shows the host key\n  %s %s\n", k.Name, k.Type, k.Fingerprint)
	for _, known := range k.Known {
		fmt.Fprintf(out, "but %s has\n  %s %s\n", known.At, known.Type, known.Fingerprint)
	}
	switch {
	case len(k.Known) > 0 && (!replace || fingerprint == ""):
		return fault.New(fault.HostKeyChanged, fault.HostKey, "the host key of %s changed", k.Name).
			WithHint("compare it with the administrator; if the change is right: tunneld trust %s --replace --fingerprint %s", p.Profile, k.Fingerprint)
	case fingerprint == "":
		yes, err := confirm(askFingerprint)
		if err != nil {
			return hinted{err, "name the fingerprint: tunneld trust " + p.Profile + " --fingerprint SHA256:..."}
		}
		if !yes {
			return errors.New("the key was not accepted")
		}
		fingerprint = k.Fingerprint
	case fingerprint != k.Fingerprint:
		return fault.New(p.Code, fault.HostKey, "the server shows %s, not %s", k.Fingerprint, fingerprint).
			WithHint("compare it with the administrator: it may be another machine")
	}
	if err := client.Answer(ctx, control.Answer{ID: p.ID, Answers: []string{fingerprint}, Replace: replace}); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "accepted the key of %s; %s connects\n", k.Name, p.Profile)
	return err
}
