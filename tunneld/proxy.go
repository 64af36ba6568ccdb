package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"tunneld/control"
	"tunneld/profiles"
)

func newSSHProxy(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "ssh-proxy PROFILE HOST:PORT",
		Short: "Connect input and output to a target behind the server",
		Long: "Connect standard input and output to a target as the profile's server sees it, for ProxyCommand of ssh. unix:PATH is a socket on the server.\n" +
			"The end of one direction leaves the other open.",
		Example: "  tunneld ssh-proxy work db.internal:5432\n  ssh -o ProxyCommand='tunneld ssh-proxy work %h:%p' ana@build.internal",
		Args:    usage(cobra.MatchAll(arguments(2, 2), isTarget)),

		ValidArgsFunction: g.completeProfile,
		RunE: func(c *cobra.Command, args []string) error {
			return g.examine(c.Context(), args[0], func(b backend) error { return proxy(c.Context(), b, args[0], args[1]) })
		},
	}
}

// isTarget checks the second argument.
func isTarget(_ *cobra.Command, args []string) error {
	if _, err := profiles.ParseTarget(args[1]); err != nil {
		return fmt.Errorf("%q is no target: %w", args[1], err)
	}
	return nil
}

// proxy relays until the target has ended its direction: what is still typed
// then is for nobody.
func proxy(ctx context.Context, b backend, profile, target string) error {
	pipe, err := b.Dial(ctx, profile, target)
	if err != nil {
		return err
	}
	go proxyInput(pipe) // nothing ends a read of standard input
	_, err = io.Copy(os.Stdout, pipe)
	return cmp.Or(err, pipe.Close())
}

func proxyInput(pipe control.Pipe) {
	if _, err := io.Copy(pipe, os.Stdin); err == nil {
		_ = pipe.CloseWrite() // its reader tells of a failure
	}
}
