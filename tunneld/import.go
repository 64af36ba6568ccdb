package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tunneld/fault"
	"tunneld/profiles"
	"tunneld/profiles/putty"
)

func newImport(g *globals) *cobra.Command {
	im := &importer{}
	var fromPuTTY bool
	c := &cobra.Command{
		Use:   "import HOST... or import --putty [SESSION...]",
		Short: "Make profiles from ssh_config or PuTTY",
		Long: "Write a profile for each HOST, with all that ~/.ssh/config and the system's ssh_config say about it, forwards too; or for each of " +
			"PuTTY's saved sessions, all of them if none is named. What a profile cannot say is listed with its line. Host keys that PuTTY " +
			"knows are not taken over.\n" +
			"A file that exists is left alone, unless --force is given.",
		Example: "  tunneld import work\n  tunneld import --print work\n  tunneld import --putty",
		RunE: func(c *cobra.Command, args []string) error {
			f, err := g.folders()
			if err != nil {
				return err
			}
			if im.loader, err = f.loader(); err != nil {
				return err
			}
			im.loader.ReadOnly = true
			im.out = c.OutOrStdout()
			if !fromPuTTY && len(args) == 0 {
				return &usageError{c, errors.New("want the name of a host")}
			}
			defer im.beside()
			if fromPuTTY {
				return im.sessions(args)
			}
			return im.hosts(args)
		},
	}
	c.Flags().BoolVar(&fromPuTTY, "putty", false, "read the saved sessions of PuTTY")
	c.Flags().BoolVar(&im.force, "force", false, "replace files that exist")
	c.Flags().BoolVar(&im.print, "print", false, "print the profiles and write nothing")
	return c
}

// importer writes profiles that are made from other programs' settings.
type importer struct {
	loader       *profiles.Loader
	out          io.Writer
	force, print bool
	written      []string
}

// hosts imports entries of ssh_config, all that can be.
func (im *importer) hosts(names []string) error {
	var failed []error
	for _, host := range names {
		failed = append(failed, im.host(host))
	}
	return errors.Join(failed...)
}

func (im *importer) host(host string) error {
	r, err := im.loader.Env.SSHConfig(host)
	if err != nil {
		return err
	}
	if !r.Named {
		return hinted{fmt.Errorf("no Host line of ssh_config names %s", host),
			"looked at " + strings.Join(im.loader.Env.SSHConfigFiles(), " and ")}
	}
	d := profiles.DraftSSHConfig(r, im.loader.Env)
	d.SetHost(r.HostName())
	return im.put(host, "Made from what ssh_config says about "+host+".", d)
}

// sessions imports the sessions that are named, or all that are of SSH.
func (im *importer) sessions(names []string) error {
	all, err := putty.Sessions(im.loader.Env.Home)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return errors.New("PuTTY has no saved sessions")
	}
	var failed []error
	for _, name := range names {
		i := slices.IndexFunc(all, func(s putty.Session) bool { return s.Name == name })
		if i < 0 {
			failed = append(failed, fmt.Errorf("PuTTY has no session %q", name))
			continue
		}
		failed = append(failed, im.session(all[i]))
	}
	if len(names) == 0 {
		for _, s := range all {
			failed = append(failed, im.session(s))
		}
	}
	return errors.Join(failed...)
}

// session imports one session. One of another protocol is told, and no error.
func (im *importer) session(s putty.Session) error {
	d, err := profiles.DraftPuTTY(s, im.loader.Env)
	if err != nil {
		fmt.Fprintf(im.out, "skipped: %s\n", fault.Clean(err.Error()))
		return nil
	}
	return im.put(s.Name, "Made from the session "+s.Name+" of PuTTY.", d)
}

// put writes or prints one profile, and lists what it lacks.
func (im *importer) put(from, title string, d profiles.Draft) error {
	name := profiles.ValidName(from)
	if name == "" {
		name = profiles.ValidName("host-" + from)
	}
	d, problems := im.loader.Refine(name, d)
	text := d.TOML(title)
	if len(problems) == 0 {
		_, problems = im.loader.LoadText(name, text) // as the daemon will read it
	}
	if len(problems) > 0 {
		return fault.New(fault.BadProfile, "", "%s cannot be a profile: %s: %s", fault.Clean(from), problems[0].Key, fault.Clean(problems[0].Message)).
			WithHint("mend where it comes from, or write the profile by hand")
	}
	if im.print {
		_, err := im.out.Write(text)
		return err
	}
	file := filepath.Join(im.loader.Dir, "profiles", name+".toml")
	if slices.Contains(im.written, file) {
		return fmt.Errorf("%s: another one was just written to %s", fault.Clean(from), file)
	}
	if err := im.write(file, text); err != nil {
		return err
	}
	im.written = append(im.written, file)
	fmt.Fprintln(im.out, file)
	im.list(d.Left)
	return nil
}

// list prints what was left out and may be missed, and counts the rest.
func (im *importer) list(left []profiles.Left) {
	harmless := 0
	for _, l := range left {
		if l.Harmless {
			harmless++
			continue
		}
		fmt.Fprintf(im.out, "  left out: %s\n", fault.Clean(l.String()))
	}
	if harmless > 0 {
		fmt.Fprintf(im.out, "  left out, and not missed on the way to the server: %d more\n", harmless)
	}
}

// write puts a file in place, and leaves one that exists alone without --force.
func (im *importer) write(path string, text []byte) error {
	if _, err := os.Lstat(path); err == nil && !im.force {
		return hinted{fmt.Errorf("%s exists", path), "--force replaces it, --print shows what would be in it"}
	}
	return putFile(path, text)
}

// beside says which of the profiles that were written do not go with others,
// such as two that listen on the same port.
func (im *importer) beside() {
	if len(im.written) == 0 {
		return
	}
	_, problems := im.loader.Load()
	for _, p := range problems {
		if slices.Contains(im.written, filepath.Join(im.loader.Dir, filepath.FromSlash(p.File))) {
			fmt.Fprintln(im.out, fault.Clean(p.String()))
		}
	}
}
