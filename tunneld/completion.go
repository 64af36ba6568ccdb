package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// shells are those that have completions.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func newCompletion() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a shell's completions",
		Long: "Print a script that makes the shell complete commands, flags, and the names of profiles and forwards.\n" +
			"In bash it needs the package bash-completion. PowerShell reads it from its profile.",
		Example: "  tunneld completion bash > ~/.local/share/bash-completion/completions/tunneld\n" +
			"  tunneld completion zsh > \"${fpath[1]}/_tunneld\"\n" +
			"  tunneld completion fish > ~/.config/fish/completions/tunneld.fish\n" +
			"  tunneld completion powershell >> $PROFILE",
		Args:      usage(cobra.MatchAll(arguments(1, 1), cobra.OnlyValidArgs)),
		ValidArgs: shells,
		RunE: func(c *cobra.Command, args []string) error {
			root, out := c.Root(), c.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return errors.New("no completions for " + args[0]) // ValidArgs has no other
		},
	}
}
