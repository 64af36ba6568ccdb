package profiles

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// identityNames are the keys that OpenSSH tries, in its order (ssh_config(5),
// IdentityFile), as far as they are files.
func identityNames() []string {
	return []string{"id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"}
}

// fill sets the defaults that depend on more than the key, and judges what
// only the whole profile shows.
func (r *reader) fill(p *Profile, root *node) {
	r.fillServer(p, root)
	r.fillAuth(p, root)
	if root.find("host_key", "known_hosts") == nil {
		p.HostKey.KnownHosts = r.knownHosts()
		r.computed("host_key.known_hosts", p.HostKey.KnownHosts)
		r.judgeKnownHosts(root)
	}
	if root.find("host_key", "update") == nil {
		p.HostKey.Update = p.HostKey.Policy == "accept-new"
		r.computed("host_key.update", p.HostKey.Update)
	}
	r.nameForwards(p, root)
	r.fillApps(p, root)
	r.judgeHops(p.Server.ProxyJump, root)
	r.judgeLink(p.Link, root, "link")
}

func (r *reader) fillServer(p *Profile, root *node) {
	if root.find("server", "user") != nil {
		if p.Server.User == "" && !r.hasProblem("server.user") {
			r.problem(root.find("server", "user").at, "server.user", "", "must not be empty")
		}
		return
	}
	if r.env.System {
		r.problem(holderOf(root, "server").at, "server.user", "", "this key is required in system profiles")
		return
	}
	p.Server.User = r.env.User
	r.computed("server.user", p.Server.User)
}

func (r *reader) fillAuth(p *Profile, root *node) {
	files := root.find("auth", "identity_files")
	p.Auth.IdentityFilesWritten = files != nil && r.isOurs(files.at)
	if files == nil && !r.env.System && r.env.Home != "" {
		for _, name := range identityNames() {
			p.Auth.IdentityFiles = append(p.Auth.IdentityFiles, filepath.Join(r.env.Home, ".ssh", name))
		}
		r.computed("auth.identity_files", p.Auth.IdentityFiles)
	}
	if root.find("auth", "identities_only") == nil {
		p.Auth.IdentitiesOnly = p.Auth.IdentityFilesWritten
		r.computed("auth.identities_only", p.Auth.IdentitiesOnly)
	}
}

// isOurs reports whether a place is in the profile or in daemon.toml, and not
// in a file of ssh_config.
func (r *reader) isOurs(at place) bool { return at.file == r.file || at.file == daemonFile }

// knownHosts are the files of OpenSSH, led by one that a service can write.
func (r *reader) knownHosts() []string {
	var files []string
	if r.env.System && r.state != "" {
		files = append(files, filepath.Join(r.state, "known_hosts"))
	}
	return append(append(files, r.env.userKnownHosts()...), r.env.systemKnownHosts()...)
}

// judgeKnownHosts refuses host keys of the state folder that others could have put
// there. Who only reads the profiles may be another than the service whose they are.
func (r *reader) judgeKnownHosts(root *node) {
	if !r.env.System || r.state == "" || r.readOnly {
		return
	}
	if err := checkAccess(filepath.Join(r.state, "known_hosts"), r.dir); err != nil {
		r.fault(holderOf(root, "host_key").at, "host_key.known_hosts", err)
	}
}

func (e Environment) userKnownHosts() []string {
	if e.Home == "" {
		return nil
	}
	return []string{filepath.Join(e.Home, ".ssh", "known_hosts")}
}

func (e Environment) systemKnownHosts() []string {
	if !e.Windows {
		return []string{"/etc/ssh/ssh_known_hosts"}
	}
	if dir := e.systemSSH(); dir != "" {
		return []string{filepath.Join(dir, "ssh_known_hosts")}
	}
	return nil
}

// systemSSH is OpenSSH's folder for the whole machine, or "".
func (e Environment) systemSSH() string {
	if !e.Windows {
		return "/etc/ssh"
	}
	data, err := e.variable("ProgramData")
	if err != nil {
		return ""
	}
	return filepath.Join(data, "ssh")
}

// nameForwards gives the nameless a name, and reports names used twice.
func (r *reader) nameForwards(p *Profile, root *node) {
	first := map[string]place{}
	for i := range p.Forwards {
		f := &p.Forwards[i]
		n, key := forwardNode(root, p.Forwards, i)
		if f.Listen == (Address{}) {
			continue // it has problems enough
		}
		at, hint := n.at, "give one of them another name"
		if name := n.find("name"); name != nil {
			at = name.at
		}
		if f.Name == "" {
			f.Name = f.defaultName()
			r.computed(key+".name", f.Name)
		}
		if other, taken := first[f.Name]; taken {
			r.problem(at, key+".name", hint, "the name %s is taken by the forward at line %d", f.Name, other.line)
			continue
		}
		first[f.Name] = at
	}
}

// forwardNode returns where the ith forward is written, and its key.
func forwardNode(root *node, forwards []Forward, i int) (*node, string) {
	kind, index := forwards[i].Kind, 0
	for _, f := range forwards[:i] {
		if f.Kind == kind {
			index++
		}
	}
	return root.find("forward", string(kind)).items[index], "forward." + string(kind) + "[" + strconv.Itoa(index) + "]"
}

// judgeLink reports waits that contradict each other, in the table of names.
func (r *reader) judgeLink(l Link, root *node, names ...string) {
	key := strings.Join(names, ".")
	n := root.find(names...)
	if n == nil || l.ReconnectMin <= l.ReconnectMax || r.hasProblem(key+".reconnect_min") || r.hasProblem(key+".reconnect_max") {
		return
	}
	low, high := n.find("reconnect_min"), n.find("reconnect_max")
	if key != "link" && (low == nil || high == nil) {
		return // in the defaults, the other one stands in a profile, or is the default
	}
	at, name := n.at, "reconnect_min"
	switch {
	case low != nil && low.at.file == r.file:
		at = low.at
	case high != nil && high.at.file == r.file:
		at, name = high.at, "reconnect_max"
	}
	r.problem(at, key+"."+name, "", "reconnect_min (%s) is more than reconnect_max (%s)",
		durationText(l.ReconnectMin), durationText(l.ReconnectMax))
}

func (r *reader) hasProblem(key string) bool {
	return slices.ContainsFunc(r.problems, func(p Problem) bool { return p.Key == key })
}

// holderOf is a table where it is written, else the whole file.
func holderOf(root *node, table string) *node {
	if n := root.find(table); n != nil {
		return n
	}
	return root
}
