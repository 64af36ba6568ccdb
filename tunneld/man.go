package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man [DIR]",
		Short: "Write the manual pages",
		Long: "Write a manual page for every command, and tunneld-profile(5) about the keys of a profile, into a folder, and print their paths.\n" +
			"Without a folder tunneld(1) is printed.",
		Example: "  tunneld man | man -l -\n  tunneld man /usr/local/share/man",
		Args:    arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				_, err := fmt.Fprint(c.OutOrStdout(), commandPage(c.Root()))
				return err
			}
			for _, m := range manual(c.Root()) {
				path := filepath.Join(args[0], "man"+m.section, m.name+"."+m.section)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					return err
				}
				if err := os.WriteFile(path, []byte(m.text), 0o644); err != nil {
					return err
				}
				fmt.Fprintln(c.OutOrStdout(), path)
			}
			return nil
		},
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
	}
}

// manualPage is a page of the manual.
type manualPage struct{ name, section, text string }

// manual is every page: one a command, and that of profiles.
func manual(root *cobra.Command) []manualPage {
	pages := []manualPage{{profilePageName, "5", profilePage()}}
	for _, c := range append([]*cobra.Command{root}, below(root)...) {
		pages = append(pages, manualPage{pageName(c), "1", commandPage(c)})
	}
	return pages
}

// below are the commands under c that a person may use.
func below(c *cobra.Command) (all []*cobra.Command) {
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			all = append(append(all, sub), below(sub)...)
		}
	}
	return all
}

func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// builtOn is the day of the commit that was built, and so the same for whoever
// builds it; else that of the program's file.
func builtOn() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" && len(s.Value) >= len(time.DateOnly) {
				return s.Value[:len(time.DateOnly)]
			}
		}
	}
	day := time.Now()
	if path, err := os.Executable(); err == nil {
		if info, err := os.Stat(path); err == nil {
			day = info.ModTime()
		}
	}
	return day.UTC().Format(time.DateOnly)
}

func commandPage(c *cobra.Command) string {
	p := newManPage(pageName(c), "1", strings.ToLower(c.Short[:1])+c.Short[1:])
	p.section("SYNOPSIS")
	for i, use := range synopses(c) {
		if i > 0 {
			p.macro("br")
		}
		p.line(strings.TrimSpace(bold(c.CommandPath()) + " " + escape(strings.TrimSpace(strings.TrimPrefix(use, c.Name())))))
	}
	p.section("DESCRIPTION")
	p.paragraphs(or(c.Long, c.Short+"."))
	p.flags("OPTIONS", c.NonInheritedFlags())
	p.flags("COMMON OPTIONS", c.InheritedFlags())
	p.commands(c)
	if c.Example != "" {
		p.section("EXAMPLES")
		p.code(c.Example)
	}
	if !c.HasParent() {
		p.surroundings()
	}
	p.section("SEE ALSO")
	p.seeAlso(c)
	return p.String()
}

// synopses are the forms of a command's use.
func synopses(c *cobra.Command) []string {
	use := c.Use
	if c.HasAvailableSubCommands() {
		use += " COMMAND"
	}
	if c.HasAvailableFlags() {
		use += " [FLAGS]"
	}
	return strings.Split(use, " or "+c.Name()+" ")
}

// flags describes flags, each with what it takes.
func (p *manPage) flags(title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	p.section(title)
	flags.VisitAll(func(f *pflag.Flag) {
		what, use := pflag.UnquoteUsage(f)
		head := bold("--" + f.Name)
		if f.Shorthand != "" {
			head = bold("-"+f.Shorthand) + ", " + head
		}
		if what != "" {
			head += " " + italic(what)
		}
		if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "false" && f.DefValue != "0s" {
			use += "; default " + f.DefValue
		}
		p.item(head, strings.TrimRight(use, ".")+".")
	})
}

func (p *manPage) commands(c *cobra.Command) {
	if !c.HasAvailableSubCommands() {
		return
	}
	p.section("COMMANDS")
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			p.item(bold(pageName(sub))+"(1)", sub.Short+".")
		}
	}
}

// seeAlso names the page above and those of profiles.
func (p *manPage) seeAlso(c *cobra.Command) {
	if c.HasParent() {
		p.line(bold(pageName(c.Parent())) + "(1),")
	}
	p.line(bold(profilePageName) + "(5)")
}

// surroundings is what concerns all commands.
func (p *manPage) surroundings() {
	p.section("ENVIRONMENT")
	p.item(bold("TUNNELD_CONFIG"), "The configuration folder, as --config.")
	p.item(bold("TUNNELD_SOCKET"), "The daemon's socket or pipe, as --socket.")
	p.item(bold("NO_COLOR"), "If it is not empty, nothing has a colour.")
	p.section("FILES")
	p.item(italic("~/.config/tunneld"), "The account's configuration folder: profiles/NAME.toml, daemon.toml. Its state is in ~/.local/state/tunneld.")
	p.item(italic("/etc/tunneld"), "The same for the system. Its state is in /var/lib/tunneld.")
	p.section("EXIT STATUS")
	for _, s := range []struct {
		status int
		what   string
	}{
		{0, "Done."}, {exitFailed, "It failed: standard error says why, and what to do."}, {exitUsage, "Wrong usage."},
		{exitNotUp, "Something that should be up is not."}, {exitNoDaemon, "No daemon answers."},
	} {
		p.item(fmt.Sprint(s.status), s.what)
	}
	p.item("other", "Of shell, exec and x11: that of the program, 128+N where signal N ended it, 255 where tunneld failed.")
}
