package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"tunneld/control"
)

var errNoApp = errors.New("want PROFILE/APP")

func newLaunch(g *globals) *cobra.Command {
	var r control.X11Request
	c := &cobra.Command{
		Use:   "launch PROFILE/APP",
		Short: "Start a program of a profile on this display",
		Long: "Start a program that the profile has as [[x11.app]], once more if it runs. It stays when this command returns; tunneld down PROFILE/APP ends it.\n" +
			"Its windows go to the profile's display, else to that of this session, else to the one that tunneld display handed over.",
		Example: "  tunneld launch work/xterm\n  tunneld launch -Y work/viewer",
		Args:    arguments(1, 1),

		ValidArgsFunction: g.completeApp,
		RunE: func(c *cobra.Command, args []string) (err error) {
			profile, app, found := strings.Cut(args[0], "/")
			if !found {
				return &usageError{c, errNoApp}
			}
			if r.Display, err = ownDisplay(c.Context()); err != nil {
				return err
			}
			client, err := g.connect(c.Context())
			if err != nil {
				return err
			}
			return client.Launch(c.Context(), profile, app, r)
		},
	}
	trustedFlag(c, &r.Trusted)
	return c
}

// trustedFlag is -Y, as of ssh.
func trustedFlag(c *cobra.Command, trusted *bool) {
	c.Flags().BoolVarP(trusted, "trusted", "Y", false, "trust the program with everything on the display: other windows, the keyboard, the clipboard")
}
