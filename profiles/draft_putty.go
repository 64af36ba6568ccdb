package profiles

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"tunneld/profiles/putty"
)

// DraftPuTTY makes a profile of a saved session of PuTTY. Settings of the
// terminal, the window and the like are no part of it, and are not listed; nor
// are PuTTY's orders of preference for algorithms, which every session has. A
// session that is not one of SSH to a named host is an error.
func DraftPuTTY(session putty.Session, env Environment) (Draft, error) {
	s := &puttyDraft{Draft{env: env}, session}
	if p := session.Text("Protocol"); p != "" && p != "ssh" {
		return Draft{}, fmt.Errorf("the session %s is one of %s, not ssh", session.Name, p)
	}
	if session.Text("HostName") == "" {
		return Draft{}, fmt.Errorf("the session %s names no host", session.Name)
	}
	s.server()
	s.proxy()
	s.auth()
	s.hostKey()
	s.forwards()
	s.rest()
	return s.Draft, nil
}

// puttyDraft is a draft that is being made from a session.
type puttyDraft struct {
	Draft
	from putty.Session
}

// take puts a value that comes from one of PuTTY's keys under a key.
func (s *puttyDraft) take(from, key string, value any) {
	s.put(s.place(from), from+"="+s.from.Text(from), key, value)
}

func (s *puttyDraft) refuse(from, reason string) {
	s.leave(s.place(from), from+"="+s.from.Text(from), reason, false)
}

func (s *puttyDraft) place(from string) place {
	return place{s.from.File, s.from.Settings[from].Line, min(1, s.from.Settings[from].Line)}
}

// takeText takes a text that is not empty.
func (s *puttyDraft) takeText(from, key string) {
	if text := s.from.Text(from); text != "" {
		s.take(from, key, text)
	}
}

func (s *puttyDraft) server() {
	host := s.from.Text("HostName")
	user, after, found := strings.Cut(host, "@")
	if found {
		host = after
		s.take("HostName", "server.user", user)
	} else {
		s.takeText("UserName", "server.user")
	}
	s.take("HostName", "server.host", strings.TrimSpace(host))
	if port := s.from.Number("PortNumber"); port != 0 && port != 22 {
		s.take("PortNumber", "server.port", int64(port))
	}
	switch s.from.Number("AddressFamily") {
	case 1:
		s.take("AddressFamily", "server.address_family", "inet")
	case 2:
		s.take("AddressFamily", "server.address_family", "inet6")
	}
	if seconds := 60*s.from.Number("PingInterval") + s.from.Number("PingIntervalSecs"); seconds > 0 {
		s.take("PingIntervalSecs", "link.keepalive", durationText(time.Duration(seconds)*time.Second))
	}
}

// proxy takes the ways of PuTTY that exist here, by its numbers for them.
func (s *puttyDraft) proxy() {
	method := s.from.Number("ProxyMethod")
	at := net.JoinHostPort(s.from.Text("ProxyHost"), s.from.Text("ProxyPort"))
	if method == 0 {
		return
	}
	switch method {
	case 2:
		s.take("ProxyMethod", "server.proxy", s.proxyURL("socks5", at))
	case 3:
		s.take("ProxyMethod", "server.proxy", s.proxyURL("http", at))
	case 5:
		s.proxyCommand()
	case 6:
		if user := s.from.Text("ProxyUsername"); user != "" {
			at = user + "@" + at
		}
		s.take("ProxyMethod", "server.proxy_jump", []string{at})
	default:
		s.refuse("ProxyMethod", "there is no such proxy here: server.proxy takes socks5, http and a command")
	}
	if s.from.Text("ProxyPassword") != "" {
		s.leave(s.place("ProxyPassword"), "ProxyPassword", "a password is not copied: write it into server.proxy", false)
	}
	if s.from.Text("ProxyExcludeList") != "" {
		s.refuse("ProxyExcludeList", "a profile has one server, so it says whether there is a proxy")
	}
}

func (s *puttyDraft) proxyURL(scheme, at string) string {
	u := url.URL{Scheme: scheme, Host: at}
	if user := s.from.Text("ProxyUsername"); user != "" {
		u.User = url.User(user)
	}
	return u.String()
}

// proxyCommand takes a command that uses no more than the host and the port.
func (s *puttyDraft) proxyCommand() {
	text := strings.NewReplacer("%host", "\x00h", "%port", "\x00p").Replace(s.from.Text("ProxyTelnetCommand"))
	if strings.ContainsAny(text, `%\`) {
		s.refuse("ProxyTelnetCommand", "only %host and %port are known here")
		return
	}
	line, ok := s.env.commandLine(strings.ReplaceAll(text, "\x00", "%"))
	if !ok {
		s.refuse("ProxyTelnetCommand", "it needs a shell")
		return
	}
	s.take("ProxyTelnetCommand", "server.proxy", line)
}

func (s *puttyDraft) auth() {
	key := s.from.Text("PublicKeyFile")
	switch {
	case key == "":
		methods := []string{"publickey", "keyboard-interactive", "password"} // what PuTTY tries
		s.put(place{}, "", "auth.methods", methods)
	case strings.HasSuffix(strings.ToLower(key), ".ppk"):
		s.refuse("PublicKeyFile", "a key of PuTTY's own format: export it, in PuTTYgen with Conversions, Export OpenSSH key, "+
			"or with puttygen KEY.ppk -O private-openssh-new -o KEY, and name the new file in auth.identity_files")
	default:
		s.take("PublicKeyFile", "auth.identity_files", []string{key})
	}
	if cert := s.from.Text("DetachedCertificate"); cert != "" {
		s.take("DetachedCertificate", "auth.certificate_files", []string{cert})
	}
	if s.from.Text("TryAgent") == "0" {
		s.take("TryAgent", "auth.agent", "none")
	}
	if s.from.Number("AgentFwd") != 0 {
		s.take("AgentFwd", "auth.forward_agent", true)
	}
}

// hostKey takes pinned keys. PuTTY also knows keys of the MD5 kind and whole
// keys, which are no fingerprints here.
func (s *puttyDraft) hostKey() {
	s.takeText("LogHost", "host_key.alias")
	var pins []string
	for key := range strings.SplitSeq(s.from.Text("SSHManualHostKeys"), ",") {
		if strings.HasPrefix(key, "SHA256:") {
			pins = append(pins, key)
		} else if key != "" {
			s.leave(s.place("SSHManualHostKeys"), "SSHManualHostKeys="+key, "only fingerprints of the form SHA256:... are taken", false)
		}
	}
	if pins != nil {
		s.take("SSHManualHostKeys", "host_key.fingerprints", pins)
	}
}

func (s *puttyDraft) forwards() {
	at := s.place("PortForwardings")
	kinds := map[putty.Kind]Kind{putty.Local: Local, putty.Remote: Remote, putty.Dynamic: Dynamic}
	all, bad := s.from.Forwards()
	for _, f := range all {
		s.put(at, "PortForwardings "+f.Text, "forward."+string(kinds[f.Kind]), draftForward{f.Listen, f.Target})
	}
	for _, err := range bad {
		s.leave(at, "PortForwardings", err.Error(), false)
	}
}

// rest takes X11 and lists what a profile does not have.
func (s *puttyDraft) rest() {
	if s.from.Number("X11Forward") != 0 {
		s.take("X11Forward", "x11.enabled", true)
		s.takeText("X11Display", "x11.display")
	}
	for _, key := range []string{"RemoteCommand", "Environment"} {
		if s.from.Text(key) != "" {
			s.refuse(key, "tunneld runs what is asked for when it is asked for")
		}
	}
	if s.from.Number("Compression") != 0 {
		s.leave(s.place("Compression"), "Compression=1", "tunneld does not compress", true)
	}
}
