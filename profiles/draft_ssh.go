package profiles

import (
	"maps"
	"slices"
	"strings"

	"tunneld/profiles/sshconfig"
)

// DraftSSHConfig makes a profile of what ssh_config says about a host. It has
// no server.host where the files give no HostName.
func DraftSSHConfig(r sshconfig.Resolved, env Environment) Draft {
	s := newSSHDraft(r, env)
	s.session()
	return s.Draft
}

// newSSHDraft takes the way to the server alone.
func newSSHDraft(r sshconfig.Resolved, env Environment) *sshDraft {
	s := &sshDraft{Draft{env: env}, r}
	s.server()
	s.link()
	s.auth()
	s.hostKey()
	for _, k := range r.Skipped {
		s.leave(placeOf(k.Value), k.Keyword+" "+k.Text, k.Reason, k.Harmless)
	}
	return s
}

// sshDraft is a draft that is being made from r.
type sshDraft struct {
	Draft
	r sshconfig.Resolved
}

func placeOf(v sshconfig.Value) place { return place{v.File, v.Line, 1} }

// take puts a value under a key.
func (s *sshDraft) take(v sshconfig.Value, key string, value any) {
	s.put(placeOf(v), v.Keyword+" "+v.Text, key, value)
}

func (s *sshDraft) refuse(v sshconfig.Value, reason string, harmless bool) {
	s.leave(placeOf(v), v.Keyword+" "+v.Text, reason, harmless)
}

// each runs use on every keyword that has a value.
func (s *sshDraft) each(use func(v sshconfig.Value, key string), keys map[string]string) {
	for _, keyword := range slices.Sorted(maps.Keys(keys)) {
		if v, ok := s.r.First(keyword); ok && v.Line > 0 {
			use(v, keys[keyword])
		}
	}
}

func (s *sshDraft) server() {
	s.each(s.takeText, map[string]string{"HostName": "server.host", "User": "server.user", "BindAddress": "server.bind_address", "AddressFamily": "server.address_family"})
	s.each(s.takeNumber, map[string]string{"Port": "server.port"})
	if v, ok := s.r.First("ProxyJump"); ok && len(s.r.Jumps) > 0 {
		var hops []string
		for _, h := range s.r.Jumps {
			hops = append(hops, h.String())
		}
		s.take(v, "server.proxy_jump", hops)
	}
	if v, ok := s.r.First("ProxyCommand"); ok && v.Text != "none" {
		s.proxyCommand(v)
	}
}

func (s *sshDraft) proxyCommand(v sshconfig.Value) {
	line, ok := s.env.commandLine(v.Text)
	if !ok {
		s.refuse(v, "it needs a shell", false)
		return
	}
	s.take(v, "server.proxy", line)
}

func (s *sshDraft) link() {
	s.each(s.takeSeconds, map[string]string{"ServerAliveInterval": "link.keepalive", "ConnectTimeout": "link.connect_timeout"})
	s.each(s.takeNumber, map[string]string{"ServerAliveCountMax": "link.keepalive_misses"})
	s.each(s.takeAlgorithms, map[string]string{
		"Ciphers": "link.ciphers", "MACs": "link.macs", "KexAlgorithms": "link.kex", "HostKeyAlgorithms": "link.host_key_algorithms",
		"PubkeyAcceptedAlgorithms": "auth.public_key_algorithms",
	})
}

func (s *sshDraft) auth() {
	s.takeFiles("IdentityFile", "auth.identity_files")
	s.takeFiles("CertificateFile", "auth.certificate_files")
	s.each(s.takeBool, map[string]string{"IdentitiesOnly": "auth.identities_only"})
	if v, ok := s.r.First("IdentityAgent"); ok {
		agent := v.Text
		if agent == "SSH_AUTH_SOCK" {
			agent = "auto"
		}
		s.take(v, "auth.agent", agent)
	}
	if v, ok := s.r.First("PreferredAuthentications"); ok {
		s.methods(v)
	}
}

// methods takes those that exist here, in the order of ssh.
func (s *sshDraft) methods(v sshconfig.Value) {
	var methods []string
	for m := range strings.SplitSeq(v.Text, ",") {
		if slices.Contains([]string{"publickey", "keyboard-interactive", "password"}, m) {
			methods = append(methods, m)
		}
	}
	if methods == nil {
		s.refuse(v, "none of the methods exists here", false)
		return
	}
	s.take(v, "auth.methods", methods)
}

func (s *sshDraft) hostKey() {
	s.each(s.takeText, map[string]string{"HostKeyAlias": "host_key.alias"})
	if v, ok := s.r.First("UpdateHostKeys"); ok && v.Text != "ask" {
		s.takeBool(v, "host_key.update")
	}
	if v, ok := s.r.First("StrictHostKeyChecking"); ok {
		s.policy(v)
	}
	user, global := s.r.All("UserKnownHostsFile"), s.r.All("GlobalKnownHostsFile")
	if len(user)+len(global) == 0 {
		return
	}
	files := append(knownHostsOr(user, s.env.userKnownHosts()), knownHostsOr(global, s.env.systemKnownHosts())...)
	s.take(append(user, global...)[0], "host_key.known_hosts", files)
}

// knownHostsOr returns the files that are named, or those that stand in.
func knownHostsOr(named []sshconfig.Value, usual []string) []string {
	if named == nil {
		return usual
	}
	var files []string
	for _, v := range named {
		if v.Text != "none" && v.Text != "/dev/null" && !strings.EqualFold(v.Text, "NUL") {
			files = append(files, v.Text)
		}
	}
	return files
}

func (s *sshDraft) policy(v sshconfig.Value) {
	switch v.Text {
	case "yes", "ask":
		s.take(v, "host_key.policy", "strict")
	case "accept-new":
		s.take(v, "host_key.policy", "accept-new")
	default:
		s.refuse(v, "the server's key is always checked", false)
	}
}

// session takes what is done on the connection, and says what follows from the
// absence of ssh_config.
func (s *sshDraft) session() {
	for _, kind := range Kinds() {
		forwards, bad := s.r.Forwards(string(kind) + "Forward")
		for _, f := range forwards {
			s.take(f.Value, "forward."+string(kind), draftForward{f.Listen, f.Target})
		}
		for _, k := range bad {
			s.refuse(k.Value, k.Reason, false)
		}
	}
	if s.r.All("IdentityFile") != nil && s.r.All("IdentitiesOnly") == nil {
		s.put(place{}, "", "auth.identities_only", false) // written files would make it true
	}
	s.each(s.takeYes, map[string]string{"ForwardX11": "x11.enabled", "ForwardX11Trusted": "x11.trusted", "ForwardAgent": "auth.forward_agent"})
}

// takeYes takes what is switched on; off is the default.
func (s *sshDraft) takeYes(v sshconfig.Value, key string) {
	switch v.Text {
	case "yes":
		s.take(v, key, true)
	case "no":
	default:
		s.refuse(v, "want yes or no", false)
	}
}
