package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tunneld/profiles"
)

func newInit(g *globals) *cobra.Command {
	in := &initializer{}
	c := &cobra.Command{
		Use:   "init PROFILE [[user@]host[:port]]",
		Short: "Write a first profile, and try it",
		Long: "Write a commented profile. On a terminal it asks for what is missing, shows the server's host key, and tries the connection.\n" +
			"In a script the words and flags say everything, and --connect tries it. A file that exists is left alone, unless --force is given.",
		Example: "  tunneld init work\n  tunneld init work ana@bastion.example.com --key ~/.ssh/work --forward 5432:db.internal:5432\n" +
			"  tunneld init work bastion.example.com --connect --fingerprint SHA256:...",
		Args: arguments(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			w, err := g.writer(c)
			if err != nil {
				return err
			}
			in.writer, in.command, in.terminal = w, c, isTerminal(c.InOrStdin())
			if err := in.read(args); err != nil {
				return &usageError{c, err}
			}
			return in.run(c.Context())
		},
	}
	c.ValidArgsFunction = g.completeProfile
	flags := c.Flags()
	flags.StringArrayVar(&in.template.Keys, "key", nil, "log in with this private key `file`; may come again")
	_ = c.RegisterFlagCompletionFunc("key", anyFile) // it is there
	flags.StringArrayVar(&in.local, "forward", nil, "a local forward, `LISTEN:HOST:PORT` as ssh -L has it; may come again")
	flags.StringArrayVar(&in.remote, "remote", nil, "a remote forward, `LISTEN:HOST:PORT` as ssh -R has it; may come again")
	flags.StringArrayVar(&in.dynamic, "dynamic", nil, "a dynamic forward, `LISTEN` as ssh -D has it; may come again")
	flags.StringVar(&in.template.Description, "description", "", "what the profile is for, in a `sentence`")
	flags.StringVar(&in.fingerprint, "fingerprint", "", "trust the host key that has this `SHA256:...`")
	flags.BoolVar(&in.connect, "connect", false, "try the connection, and ask for each forward")
	flags.BoolVar(&in.force, "force", false, "replace a file that exists")
	return c
}

// initializer writes a first profile.
type initializer struct {
	*writer
	command                *cobra.Command
	template               profiles.Template
	local, remote, dynamic []string
	fingerprint            string
	connect, force         bool
	terminal               bool // there is a person to ask
}

// read takes the words of the command line. Its errors are of usage.
func (in *initializer) read(args []string) error {
	t := &in.template
	t.Name = args[0]
	if profiles.ValidName(t.Name) != t.Name {
		return hinted{fmt.Errorf("%q is not a name for a profile", t.Name), "use two or more of a-z 0-9 . _ -, with no - or . first"}
	}
	var err error
	if len(args) > 1 {
		if err = in.setServer(args[1]); err != nil {
			return err
		}
	}
	for _, list := range []struct {
		kind  profiles.Kind
		texts []string
	}{{profiles.Local, in.local}, {profiles.Remote, in.remote}, {profiles.Dynamic, in.dynamic}} {
		for _, text := range list.texts {
			if err := in.addForward(list.kind, text); err != nil {
				return err
			}
		}
	}
	for i, key := range t.Keys {
		if t.Keys[i], err = keyPath(key); err != nil {
			return err
		}
	}
	if t.Host == "" && !in.terminal {
		return errors.New("want the server, as [user@]host[:port]")
	}
	return nil
}

// setServer takes [user@]host[:port], and ssh's URL of it.
func (in *initializer) setServer(s string) error {
	t := &in.template
	host, user := strings.TrimSuffix(strings.TrimPrefix(s, "ssh://"), "/"), ""
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		user, host = host[:i], host[i+1:]
	}
	port := ""
	if strings.HasPrefix(host, "[") || strings.Count(host, ":") == 1 {
		var err error
		if host, port, err = net.SplitHostPort(host); err != nil {
			return fmt.Errorf("%q is not [user@]host[:port]", s)
		}
	}
	number := 0
	if port != "" {
		var err error
		if number, err = strconv.Atoi(port); err != nil || number < 1 || number > 65535 {
			return fmt.Errorf("%q is not [user@]host[:port]: bad port", s)
		}
	}
	if host == "" {
		return fmt.Errorf("%q names no host", s)
	}
	t.Host, t.Port = host, number
	if user != "" {
		t.User = user
	}
	return nil
}

// addForward takes a forward as ssh writes it.
func (in *initializer) addForward(kind profiles.Kind, text string) error {
	listen, target := text, ""
	if kind != profiles.Dynamic {
		listen, target = splitForward(text)
	}
	f, err := forwardOf(string(kind), socketPath(listen), socketPath(target))
	if err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	in.template.Forwards = append(in.template.Forwards, f)
	return nil
}

// splitForward splits [host:]port:host:port. A target that is a port alone is
// taken too.
func splitForward(text string) (listen, target string) {
	var parts []string
	depth, start := 0, 0
	for i, c := range text {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == ':' && depth == 0:
			parts, start = append(parts, text[start:i]), i+1
		}
	}
	parts = append(parts, text[start:])
	n := 1 // how many are of the listen address
	if len(parts) == 4 || len(parts) == 3 && strings.Trim(parts[0], "0123456789") != "" && !strings.HasPrefix(text, "/") {
		n = 2
	}
	n = min(n, len(parts))
	return strings.Join(parts[:n], ":"), strings.Join(parts[n:], ":")
}

// socketPath marks a path, which ssh leaves bare.
func socketPath(address string) string {
	if strings.HasPrefix(address, "/") {
		return "unix:" + address
	}
	return address
}

// keyPath makes a path of the command line one that holds from everywhere.
func keyPath(path string) (string, error) {
	if path == "" {
		return "", errors.New("the private key has no name")
	}
	if strings.HasPrefix(path, "~") || strings.HasPrefix(path, "${") {
		return path, nil
	}
	return filepath.Abs(path)
}

// run asks, writes and tries.
func (in *initializer) run(ctx context.Context) error {
	file := in.loader.File(in.template.Name)
	if _, err := os.Lstat(file); err == nil && !in.force {
		return hinted{fmt.Errorf("%s exists", file), "--force replaces it; tunneld edit " + in.template.Name + " changes it"}
	}
	if in.terminal {
		if err := in.ask(ctx); err != nil {
			return err
		}
	}
	p, err := in.write(file)
	if err != nil {
		return err
	}
	if err := errors.Join(in.try(ctx, p), in.finish(ctx)); err != nil {
		return err
	}
	if in.terminal && in.unheard {
		start := "tunneld run"
		if in.folders.system {
			start = "tunneld service start"
		}
		fmt.Fprintln(in.command.ErrOrStderr(), "nothing runs it yet; next: "+start)
	}
	return nil
}

// write puts the profile in place, if it is a good one.
func (in *initializer) write(file string) (profiles.Profile, error) {
	text := in.template.TOML(in.loader.Env)
	p, err := in.judge(text)
	if err != nil {
		return p, err
	}
	in.began = time.Now()
	if err := putFile(file, text); err != nil {
		return p, err
	}
	in.wrote(p.Name)
	for _, warning := range unreadable(in.folders, in.loader, []checkedProfile{{Name: p.Name, keys: p.Auth.IdentityFiles}}) {
		fmt.Fprintln(in.command.ErrOrStderr(), warning)
	}
	return p, nil
}

// judge returns the profile that a text is, or its first problem.
func (in *initializer) judge(text []byte) (profiles.Profile, error) {
	p, problems := in.loader.Judge(in.template.Name, text)
	for _, problem := range problems {
		if !problem.Warning {
			return p, hinted{fmt.Errorf("%s: %s", problem.Key, problem.Message), problem.Hint}
		}
	}
	if len(in.template.Keys) == 0 {
		return p, nil
	}
	for _, key := range p.Auth.IdentityFiles {
		switch info, err := os.Stat(key); {
		case err != nil:
			return p, hinted{fmt.Errorf("private key: %w", err), "ssh-keygen -t ed25519 -f " + key + " makes one"}
		case info.IsDir():
			return p, fmt.Errorf("private key: %s is a folder", key)
		}
	}
	return p, nil
}
