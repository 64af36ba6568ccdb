package main

import (
	"bufio"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"tunneld/control"
)

func newSecret(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "secret",
		Short: "Keep passphrases and passwords in the daemon's keyring",
		Long: "Keep a passphrase or password in the keyring of the daemon's account, where keyring:NAME in a profile finds it.\n" +
			"It is read from the terminal, or from standard input.",
		Example: "  tunneld secret set work\n  pass show work | tunneld secret set work\n  tunneld secret remove work",
		Args:    usage(cobra.NoArgs),
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newSecretSet(g), newSecretRemove(g))
	return c
}

func newSecretSet(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "set NAME",
		Short:   "Store a secret",
		Example: "  tunneld secret set work",
		Args:    arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := g.connect(c.Context())
			if err != nil {
				return err
			}
			secret, err := readSecret(c)
			if err != nil {
				return err
			}
			if err := client.SetSecret(c.Context(), args[0], []byte(secret)); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "stored: a profile uses it as keyring:%s\n", args[0])
			return err
		},
	}
}

func newSecretRemove(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Short:   "Forget a secret",
		Example: "  tunneld secret remove work",
		Args:    arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := g.connect(c.Context())
			if err != nil {
				return err
			}
			return client.RemoveSecret(c.Context(), args[0])
		},
	}
}

// readSecret asks twice on a terminal, so that a slip is not stored.
func readSecret(c *cobra.Command) (string, error) {
	if !isTerminal(c.InOrStdin()) {
		return readLine(bufio.NewReader(c.InOrStdin()))
	}
	first, err := askTerminal(control.PromptLine{Text: "Secret:"})
	if err != nil {
		return "", err
	}
	again, err := askTerminal(control.PromptLine{Text: "Again:"})
	if err == nil && again != first {
		err = errors.New("the two differ")
	}
	return first, err
}
