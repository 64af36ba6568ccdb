package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tunneld/shell"
)

// remoteFlags are those of shell and exec.
type remoteFlags struct {
	env       []string
	escape    string
	terminal  int // how often -t was given
	noTTY     bool
	agent     bool
	windows   bool // -X
	trusted   bool // -Y
	option    []string
	port      string
	user      string
	tolerated [6]bool
	probe     bool
}

func newShell(g *globals) *cobra.Command {
	var f remoteFlags
	c := &cobra.Command{
		Use:   "shell PROFILE",
		Short: "Open a shell on the live connection",
		Long: "Open a shell on the profile's connection, without another login: the account's own, or what shell.command in the profile says.\n" +
			"It has this terminal's type, size and modes. At the beginning of a line ~. ends the session, ~^Z suspends it, ~# lists the forwards, ~? the escapes.\n" +
			"The daemon serves it where one answers that knows the profile, else this command makes a connection of its own.\n\n" +
			"The exit status is the shell's, 128+N for signal N, 255 when tunneld itself failed.",
		Example: "  tunneld shell work\n  tunneld shell -X work\n  tunneld shell -A work\n  tunneld shell -T work < script.sh",
		Args:    arguments(1, 1),

		ValidArgsFunction: g.completeProfile,
		RunE: func(c *cobra.Command, args []string) error {
			r, err := f.remote(g, args[0], "")
			if err != nil {
				return &usageError{c, err}
			}
			r.wantTerminal = !f.noTTY
			return f.run(c.Context(), r)
		},
	}
	f.register(c)
	return c
}

func newExec(g *globals) *cobra.Command {
	var f remoteFlags
	c := &cobra.Command{
		Use:   "exec [flags] PROFILE COMMAND... | PROFILE -- ARGV...",
		Short: "Run a command on the live connection",
		Long: "Run a command on the profile's server, without another login. Flags end at PROFILE. The words are joined with spaces, as ssh does, and the " +
			"server's shell reads the line; after -- each argument arrives as it is given. Standard input, output and error are binary and kept apart.\n" +
			"SIGINT and SIGTERM are passed on; a program that does not end within 5 s, or at the second signal, is left alone.\n\n" +
			"rsync and git take it as their remote shell, with the profile as the host: rsync -e 'tunneld exec', GIT_SSH_COMMAND='tunneld exec'.\n\n" +
			"The exit status is the command's, 128+N for signal N, 255 when tunneld itself failed.",
		Example: "  tunneld exec work uname -a\n  tunneld exec work 'tar c /etc' > etc.tar\n  tunneld exec work -- printf '%s\\n' 'as it is' '$HOME'\n  tunneld exec -t work htop\n" +
			"  rsync -a -e 'tunneld exec' site/ work:/srv/site/\n  GIT_SSH_COMMAND='tunneld exec' git clone work:project.git",

		ValidArgsFunction: g.completeProfile,
		RunE:              func(c *cobra.Command, args []string) error { return f.exec(c, g, args) },
	}
	c.Flags().SetInterspersed(false)
	f.register(c)
	f.registerSSH(c)
	return c
}

func (f *remoteFlags) register(c *cobra.Command) {
	flags := c.Flags()
	flags.VarP(&envFlag{f}, "env", "e", "a variable for the program, as `NAME=VALUE`; -e none and -e CHAR are --escape")
	flags.StringVar(&f.escape, "escape", "~", "the escape character as `CHAR`, as ^ and a letter, or none")
	flags.CountVarP(&f.terminal, "terminal", "t", "a terminal for the program; twice, also where this is none")
	flags.BoolVarP(&f.noTTY, "no-terminal", "T", false, "no terminal for the program")
	f.registerWindows(c)
	flags.BoolVarP(&f.agent, "agent", "A", false, "let programs there use the agent, where auth.forward_agent allows it")
}

// registerSSH takes what rsync and git give to ssh.
func (f *remoteFlags) registerSSH(c *cobra.Command) {
	flags := c.Flags()
	flags.StringArrayVarP(&f.option, "option", "o", nil, "SendEnv=NAME or SetEnv=NAME=VALUE, as ssh has them")
	flags.StringVarP(&f.port, "port", "p", "", "only the profile's own")
	flags.StringVarP(&f.user, "login", "l", "", "only the profile's own")
	flags.BoolVarP(&f.probe, "configuration", "G", false, "nothing: git asks so whether this is ssh")
	for i, letter := range []string{"4", "6", "q", "x", "a", "C"} {
		flags.BoolVarP(&f.tolerated[i], "ssh-"+letter, letter, false, "nothing: the profile decides")
		_ = flags.MarkHidden("ssh-" + letter)
	}
	for _, name := range []string{"option", "port", "login", "configuration"} {
		_ = flags.MarkHidden(name)
	}
}

// exec runs the command of args.
func (f *remoteFlags) exec(c *cobra.Command, g *globals, args []string) error {
	if f.probe {
		return nil
	}
	if len(args) < 2 || args[1] == "--" && len(args) < 3 {
		return &usageError{c, errors.New("want a profile and a command; tunneld shell PROFILE opens a shell")}
	}
	line, err := shell.Line(args[1:]), error(nil)
	if args[1] == "--" {
		line, err = shell.Quote(args[2:])
	}
	if err != nil {
		return &usageError{c, err}
	}
	r, err := f.remote(g, args[0], line)
	if err != nil {
		return &usageError{c, err}
	}
	r.wantTerminal, r.alwaysTerminal = f.terminal > 0 && !f.noTTY, f.terminal > 1
	return f.run(c.Context(), r)
}

// run runs the program, with windows where they are wanted.
func (f *remoteFlags) run(ctx context.Context, r *remote) (err error) {
	if r.request.X11, err = f.x11(ctx); err != nil {
		return exitError{err, exitRemote}
	}
	return r.run(ctx)
}

// remote is what the flags ask for.
func (f *remoteFlags) remote(g *globals, profile, line string) (*remote, error) {
	if at := strings.LastIndex(profile, "@"); at >= 0 {
		f.user, profile = profile[:at], profile[at+1:]
	}
	char, err := parseEscapeChar(f.escape)
	if err != nil {
		return nil, fmt.Errorf("--escape: %w", err)
	}
	r := &remote{globals: g, profile: profile, escape: char, alwaysTerminal: f.terminal > 1, user: f.user, port: f.port}
	r.request.Command, r.request.Agent, r.request.Env = line, f.agent, f.env
	for _, option := range f.option {
		vars, err := sshOption(option)
		if err != nil {
			return nil, err
		}
		r.request.Env = append(r.request.Env, vars...)
	}
	return r, nil
}

// sshOption returns the variables of SendEnv and SetEnv.
func sshOption(text string) (vars []string, err error) {
	name, value, _ := strings.Cut(strings.Replace(text, " ", "=", 1), "=")
	switch strings.ToLower(name) {
	case "setenv":
		return []string{value}, nil
	case "sendenv":
		for _, name := range strings.Fields(value) {
			if v, ok := os.LookupEnv(name); ok {
				vars = append(vars, name+"="+v)
			}
		}
		return vars, nil
	}
	return nil, fmt.Errorf("-o %s: the profile says how to connect; only SendEnv and SetEnv are known here", text)
}

// envFlag is -e: a variable or, as ssh has it, the escape character. A variable
// always has an equals sign after its name.
type envFlag struct{ flags *remoteFlags }

func (e *envFlag) String() string { return "" }
func (e *envFlag) Type() string   { return "NAME=VALUE" }

// Set implements pflag.Value.
func (e *envFlag) Set(text string) error {
	if name, _, ok := strings.Cut(text, "="); ok && name != "" {
		e.flags.env = append(e.flags.env, text)
		return nil
	}
	if _, err := parseEscapeChar(text); err != nil {
		return errors.New("want NAME=VALUE, or as --escape")
	}
	e.flags.escape = text
	return nil
}
