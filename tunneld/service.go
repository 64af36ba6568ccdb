package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"tunneld/install"
)

func newService(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "service",
		Short: "Have the system run tunneld, from boot on",
		Long: "Install tunneld as a service of the machine, which starts at boot and uses the machine's profiles; or, with --user, as a service of this account.\n" +
			"It is systemd's on Linux, and Windows' own. Profiles, keys and state are left alone.",
		Example: "  sudo tunneld service install\n  sudo tunneld service start\n  tunneld service status",
		Args:    usage(cobra.NoArgs),
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		newServiceInstall(g),
		g.newServiceVerb("uninstall", "Stop the service and take it away; profiles stay", install.Service.Uninstall),
		g.newServiceVerb("start", "Start the service", install.Service.Start),
		g.newServiceVerb("stop", "Stop the service", install.Service.Stop),
		g.newServiceVerb("restart", "Restart the service", install.Service.Restart),
		newServiceStatus(g),
	)
	return c
}

// newServiceInstall is a verb with a flag of its own on Windows.
func newServiceInstall(g *globals) *cobra.Command {
	var account string
	c := g.newServiceVerb("install", "Install the service, and have it start by itself", func(s install.Service) error {
		s.Account = account
		return s.Install()
	})
	if runtime.GOOS == "windows" {
		c.Flags().StringVar(&account, "account", "", "the service runs as this `account` instead of its own, NT SERVICE\\tunneld; LocalSystem may do everything")
	}
	return c
}

// newServiceVerb returns a command that does one thing with the service.
func (g *globals) newServiceVerb(verb, short string, do func(install.Service) error) *cobra.Command {
	return &cobra.Command{
		Use:     verb,
		Short:   short,
		Long:    short + ".",
		Example: "  sudo tunneld service " + verb + "\n  tunneld service " + verb + " --user",
		Args:    arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := g.service()
			if err != nil {
				return err
			}
			s.Told = func(what string) { fmt.Fprintln(c.OutOrStdout(), what) }
			return do(s)
		},
	}
}

func newServiceStatus(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Tell whether the service is installed and runs",
		Long:    "Tell whether the service is installed, whether it starts by itself, and whether it runs; exit status 3 when it does not. `tunneld status` tells what the tunnels do.",
		Example: "  tunneld service status\n  tunneld service status --user",
		Args:    arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := g.service()
			if err != nil {
				return err
			}
			state, err := s.Status()
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), serviceLine(state))
			if !state.Running {
				return exitError{errors.New("the service does not run"), exitNotUp}
			}
			return nil
		},
	}
}

// service is the service that the flags mean: the machine's, or with --user the
// account's.
func (g *globals) service() (install.Service, error) {
	program, err := os.Executable()
	return install.Service{Program: program, User: g.user, Folder: systemFolders().config}, err
}

// serviceLine tells a service's state.
func serviceLine(s install.State) string {
	if !s.Installed {
		return "not installed"
	}
	line := "installed"
	if s.Enabled {
		line += ", starts by itself"
	}
	if s.Running {
		line += ", running"
	} else {
		line += ", not running"
	}
	if s.Detail != "" {
		line += ": " + s.Detail
	}
	return line
}
