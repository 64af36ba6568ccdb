package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"tunneld/control"
	"tunneld/x11"
)

func newDisplay(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "display",
		Short: "Hand this desktop's display to the daemon",
		Long: "Hand the display of this desktop session, and the cookie that opens it, to the daemon: the windows of profiles that name no display go there from now on.\n" +
			"A daemon that is a service has no display of its own. Run this when the desktop session begins; the daemon keeps it in memory only.",
		Example: "  tunneld display",
		Args:    arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			offer, err := ownDisplay(c.Context())
			if err != nil {
				return err
			}
			if offer == nil {
				return hinted{errors.New("this session has no DISPLAY"), "run it in a desktop session, or set DISPLAY"}
			}
			client, err := g.connect(c.Context())
			if err != nil {
				return err
			}
			if err := client.SetDisplay(c.Context(), *offer); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "windows go to %s\n", offer.Display)
			return nil
		},
	}
}

// ownDisplay is the display of this command's own session with its cookie, or
// nil where there is none.
func ownDisplay(ctx context.Context) (*control.DisplayOffer, error) {
	name := os.Getenv("DISPLAY")
	if name == "" {
		return nil, nil
	}
	d, err := x11.ParseDisplay(name)
	if err != nil {
		return nil, err
	}
	auth, err := x11.LoadAuth(ctx, xauthority(), d)
	if err != nil {
		return nil, err
	}
	return &control.DisplayOffer{Display: name, Cookie: auth.Data.Hex()}, nil
}

// xauthority is the file with the cookies of this account's displays, or "".
func xauthority() string {
	if file := os.Getenv("XAUTHORITY"); file != "" {
		return file
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".Xauthority")
}

// usualDisplay is where X servers for Windows listen. On a terminal server that
// may be the desk of someone else, so it is for an account's own daemon.
func usualDisplay(f folders) string {
	if runtime.GOOS == "windows" && !f.system {
		return "127.0.0.1:0"
	}
	return ""
}
