package profiles

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"tunneld/profiles/sshconfig"
)

// consult asks ssh_config for what a profile lacks. The draft holds the way to
// the server alone: no forwards, and nothing of what a session gets. A file
// that cannot be read is a problem where the profile names it, and a warning
// else.
func (run *reading) consult(file string, root *node) (Draft, []Problem) {
	r := run.reader(file)
	files, named := r.sshConfigFiles(root)
	host := r.ofServer(root, "host")
	if len(files) == 0 || host == "" {
		return Draft{}, r.problems
	}
	env := run.Env.ssh()
	env.RemoteUser = r.ofServer(root, "user")
	resolved, err := sshconfig.Resolve(host, env, files...)
	if err != nil {
		at := place{file: files[0]}
		if named != nil {
			at = named.at
		}
		r.problem(at, "server.ssh_config", `server.ssh_config = "none" does without`, "%s", err)
		r.problems[0].Warning = named == nil
		return Draft{}, r.problems
	}
	d := newSSHDraft(resolved, run.Env).Draft
	d.yield(root)
	return d, r.problems
}

// sshConfigFiles returns the files to read, and where the profile names one.
func (r *reader) sshConfigFiles(root *node) ([]string, *node) {
	n := root.find("server", "ssh_config")
	word := r.ofServer(root, "ssh_config")
	switch {
	case n == nil, word == "auto":
		if r.env.System {
			return nil, nil
		}
		return r.env.SSHConfigFiles(), nil
	case word == "", word == "none":
		return nil, nil
	}
	path, err := r.env.path(r.dir, word)
	if err != nil {
		return nil, nil // the schema says so
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) { // which ssh_config takes for an empty file
		r.problem(n.at, "server.ssh_config", "", "there is no such file")
		return nil, nil
	}
	return []string{path}, n
}

// ofServer is a string of [server] as it was written, or "" where it has a
// problem.
func (r *reader) ofServer(root *node, key string) string {
	n := root.find("server", key)
	if n == nil {
		return ""
	}
	s, _ := n.value.(string)
	s, err := r.env.expand(s)
	if err != nil || hasControl(s) {
		return ""
	}
	return s
}

// SSHConfigFiles are the files that server.ssh_config = "auto" means, the
// user's first.
func (e Environment) SSHConfigFiles() []string {
	var files []string
	if e.Home != "" {
		files = append(files, filepath.Join(e.Home, ".ssh", "config"))
	}
	if dir := e.systemSSH(); dir != "" {
		files = append(files, filepath.Join(dir, "ssh_config"))
	}
	return files
}

// ssh is the environment for ssh_config.
func (e Environment) ssh() sshconfig.Environment {
	return sshconfig.Environment{
		Home: e.Home, User: e.User, UserID: e.UserID, Hostname: e.Hostname, System: e.systemSSH(), Getenv: e.Getenv,
	}
}

// SSHConfig returns what ssh_config's usual files say about a host. The error
// is one of reading them.
func (e Environment) SSHConfig(host string) (sshconfig.Resolved, error) {
	return sshconfig.Resolve(host, e.ssh(), e.SSHConfigFiles()...)
}
