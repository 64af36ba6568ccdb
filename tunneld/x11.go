package main

import (
	"context"

	"github.com/spf13/cobra"

	"tunneld/control"
)

func newX11(g *globals) *cobra.Command {
	f := remoteFlags{windows: true}
	c := &cobra.Command{
		Use:   "x11 [flags] PROFILE COMMAND... | PROFILE -- ARGV...",
		Short: "Run a graphical program of the server on this display",
		Long: "Run a program on the profile's server, with its windows on this display, and return when it ends. Flags end at PROFILE; the command is as that of exec.\n" +
			"The windows go to the profile's display, else to that of this session. The program is restricted to them, unless -Y trusts it.\n\n" +
			"The exit status is the program's, 128+N for signal N, 255 when tunneld itself failed.",
		Example: "  tunneld x11 work -- xterm\n  tunneld x11 -Y work -- glxgears",

		ValidArgsFunction: g.completeProfile,
		RunE:              func(c *cobra.Command, args []string) error { return f.exec(c, g, args) },
	}
	c.Flags().SetInterspersed(false)
	c.Flags().VarP(&envFlag{&f}, "env", "e", "a variable for the program, as `NAME=VALUE`")
	trustedFlag(c, &f.trusted)
	f.escape = "none"
	return c
}

// registerWindows are -X and -Y, as of ssh.
func (f *remoteFlags) registerWindows(c *cobra.Command) {
	c.Flags().BoolVarP(&f.windows, "windows", "X", false, "let programs show windows on this display")
	trustedFlag(c, &f.trusted)
}

// x11 is what the flags ask for, on this session's display; nil is no windows.
func (f *remoteFlags) x11(ctx context.Context) (*control.X11Request, error) {
	if !f.windows && !f.trusted {
		return nil, nil
	}
	display, err := ownDisplay(ctx)
	return &control.X11Request{Trusted: f.trusted, Display: display}, err
}
