package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// helpWidth is the longest line of a help text, for the smallest usual terminal.
// Examples stay as they are typed.
const helpWidth = 80

// fitHelp breaks the lines of all help texts.
func fitHelp(root *cobra.Command) {
	flags := fmt.Sprintf("FlagUsagesWrapped %d |", helpWidth)
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "FlagUsages |", flags))
	for _, c := range append(below(root), root) {
		lines := strings.Split(c.Long, "\n")
		for i, line := range lines {
			lines[i] = fit(line)
		}
		c.Long = strings.Join(lines, "\n")
	}
}

// fit breaks a line between words.
func fit(line string) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(line) {
		switch {
		case i == 0:
		case column+1+len(word) > helpWidth:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

// newHelp returns help as cobra has it, but a word that is no command is wrong
// usage.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show what a command does",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return &usageError{c.Root(), unknownCommand(c.Root(), strings.Join(args, " "))}
			}
			about.InitDefaultHelpFlag() // as --help would have
			return about.Help()
		},
		ValidArgsFunction: func(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
			about, _, err := c.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []cobra.Completion
			for _, sub := range about.Commands() {
				if sub.IsAvailableCommand() {
					names = append(names, cobra.CompletionWithDesc(sub.Name(), sub.Short))
				}
			}
			return completing(typed, nil, names), cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// isCommand is the check of root's arguments: what is left is no command.
func isCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return unknownCommand(c, args[0])
}

// unknownCommand says what was probably meant.
func unknownCommand(root *cobra.Command, name string) error {
	if near := root.SuggestionsFor(name); len(near) > 0 {
		return hinted{fmt.Errorf("unknown command %q", name), "did you mean " + strings.Join(near, " or ") + "?"}
	}
	return fmt.Errorf("unknown command %q", name)
}
