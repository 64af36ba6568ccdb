package profiles_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tunneld/profiles"
)

// at gives a folder's loader a home folder with an ssh_config.
func at(t *testing.T, config string, files map[string]string) (*profiles.Loader, string) {
	t.Helper()
	l := folder(t, files)
	l.Env.Home = t.TempDir()
	home := &profiles.Loader{Dir: l.Env.Home}
	write(t, home, ".ssh/config", config)
	return l, filepath.Join(l.Env.Home, ".ssh", "config")
}

const everyWay = `Host work
  HostName bastion.example.com
  Port 2222
  User bob
  IdentityFile ~/.ssh/work
  IdentityFile ~/.ssh/other
  IdentitiesOnly yes
  CertificateFile ~/.ssh/work-cert.pub
  IdentityAgent SSH_AUTH_SOCK
  ProxyJump gw
  HostKeyAlias alias
  StrictHostKeyChecking accept-new
  UpdateHostKeys no
  UserKnownHostsFile ~/.ssh/hosts /dev/null
  ServerAliveInterval 1m
  ServerAliveCountMax 5
  ConnectTimeout 20
  BindAddress 127.0.0.1
  AddressFamily inet
  Ciphers aes256-ctr,aes256-cbc
  MACs +hmac-sha2-256
  PreferredAuthentications gssapi-with-mic,keyboard-interactive,publickey
  LocalForward 8080 web:80
  ForwardAgent yes
  ForwardX11 yes
  Compression yes
Host gw
  HostName gw.example.com
  User gina
  IdentityFile ~/.ssh/work
  IdentityFile ~/.ssh/other
  CertificateFile ~/.ssh/work-cert.pub
  HostKeyAlias alias
  UserKnownHostsFile ~/.ssh/hosts /dev/null
`

func TestSSHConfig(t *testing.T) {
	l, file := at(t, everyWay, map[string]string{"profiles/lab.toml": "server.host = 'work'\n"})
	l.Known = map[string][]string{"ciphers": {"aes256-ctr"}}
	set, problems := l.Load()
	if want := file + ":20:1: server.ssh_config: Ciphers aes256-ctr,aes256-cbc: aes256-cbc: unknown algorithm \"aes256-cbc\""; lines(problems) != want || !problems[0].Warning {
		t.Errorf("got %s\nwant %s", lines(problems), want)
	}
	got, _ := set.Profile("lab")
	want := one(t, "server.host = 'bastion.example.com'\n")
	ssh := func(name string) string { return filepath.Join(l.Env.Home, ".ssh", name) }
	want.Server = profiles.Server{Host: "bastion.example.com", Port: 2222, User: "bob", SSHConfig: "auto",
		ProxyJump: []string{"gina@gw.example.com:22"}, BindAddress: "127.0.0.1", AddressFamily: "inet"}
	want.Link.Keepalive, want.Link.KeepaliveMisses, want.Link.ConnectTimeout = time.Minute, 5, 20*time.Second
	want.Link.Ciphers, want.Link.MACs = []string{"aes256-ctr"}, []string{"+hmac-sha2-256"}
	want.Auth.IdentityFiles, want.Auth.IdentitiesOnly = []string{ssh("work"), ssh("other")}, true
	want.Auth.CertificateFiles, want.Auth.Methods = []string{ssh("work-cert.pub")}, []string{"keyboard-interactive", "publickey"}
	want.HostKey.Policy, want.HostKey.Alias = "accept-new", "alias"
	want.HostKey.KnownHosts = []string{ssh("hosts"), "/etc/ssh/ssh_known_hosts"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, s := range set.Show("lab") {
		switch s.Key {
		case "server.host", "server.user", "auth.agent":
			if !strings.HasPrefix(string(s.Origin), file+":") {
				t.Errorf("%+v", s)
			}
		}
	}
}

// What the profile and daemon.toml say wins, and its choices take what belongs
// to them along.
func TestSSHConfigLiesBelow(t *testing.T) {
	l, _ := at(t, everyWay+"Host cmd\n  ProxyCommand nc %h %p\n", map[string]string{
		"daemon.toml": "defaults.link.keepalive = '9s'\n",
		"profiles/lab.toml": "server = { host = 'work', user = 'eve', proxy = 'socks5://p:1' }\n" +
			"auth.identity_files = ['/k']\nauth.certificate_files = []\nhost_key.known_hosts = []\n",
		"profiles/cmd.toml":  "server.host = 'cmd'\n",
		"profiles/none.toml": "server = { host = 'work', ssh_config = 'none' }\n",
	})
	set := load(t, l)
	p, _ := set.Profile("lab")
	if s := p.Server; s.User != "eve" || s.ProxyJump != nil || s.Proxy != "socks5://p:1" || s.Port != 2222 {
		t.Errorf("%+v", s)
	}
	if p.Link.Keepalive != 9*time.Second || !p.Auth.IdentityFilesWritten || p.Auth.IdentityFiles[0] != "/k" || !p.Auth.IdentitiesOnly || p.Auth.CertificateFiles != nil || p.HostKey.KnownHosts != nil {
		t.Errorf("%+v", p)
	}
	if p, _ := set.Profile("cmd"); p.Server.Proxy != "command:nc %h %p" {
		t.Errorf("%+v", p.Server)
	}
	if p, _ := set.Profile("none"); p.Server.Host != "work" || p.Server.Port != 22 {
		t.Errorf("%+v", p.Server)
	}
}

func TestSSHConfigOfSystem(t *testing.T) {
	l, file := at(t, everyWay, map[string]string{"profiles/aa.toml": "server = { host = 'work', user = 'u' }\n"})
	write(t, l, "profiles/bb.toml", "server = { host = 'work', user = 'u', ssh_config = '"+file+"' }\n")
	l.Env.System = true
	set := load(t, l)
	aa, _ := set.Profile("aa")
	bb, _ := set.Profile("bb")
	if aa.Server.Host != "work" || bb.Server.Host != "bastion.example.com" || bb.Server.User != "u" {
		t.Errorf("%+v\n%+v", aa.Server, bb.Server)
	}
}

// What cannot be used is a warning at its line, and the profile runs without.
func TestSSHConfigWarnings(t *testing.T) {
	l, file := at(t, "Host work\n  BindAddress eth0\n  HostName a/b\n  Port 70000\n  StrictHostKeyChecking no\n  PKCS11Provider x\n  Compression yes\n"+
		"Match exec \"true\"\n  User eve\nHost work\n  Ciphers -aes\n  ServerAliveInterval 0\n  User a b\n  AddressFamily ipv9\n  ProxyCommand echo \"$HOME\" | x '%h'\n",
		map[string]string{"profiles/aa.toml": "server.host = 'work'\n", "profiles/bb.toml": "server.host = 'work'\n"})
	set, problems := l.Load()
	want := strings.ReplaceAll(`FILE:2:1: server.ssh_config: BindAddress eth0: "eth0" is not an IP address
FILE:3:1: server.ssh_config: HostName a/b: "a/b" is not a host
FILE:4:1: server.ssh_config: Port 70000: must be at most 65535
FILE:5:1: server.ssh_config: StrictHostKeyChecking no: the server's key is always checked
FILE:6:1: server.ssh_config: PKCS11Provider x: tunneld cannot do this: write what it leads to into the profile
FILE:8:1: server.ssh_config: Match exec "true": no command is run to read a file: the block is taken not to match
FILE:14:1: server.ssh_config: AddressFamily ipv9: "ipv9" is not one of any, inet, inet6`, "FILE", file)
	if got := lines(problems); got != want || names(set) != "aa bb" {
		t.Errorf("%s, got:\n%s\nwant:\n%s", names(set), got, want)
	}
	p, _ := set.Profile("aa")
	if p.Server.Host != "work" || p.Server.User != "a" || p.Server.Proxy != `command:sh -c 'exec echo "$HOME" | x '\''%h'\'''` {
		t.Errorf("%+v", p.Server)
	}
}

func TestSSHConfigUnreadable(t *testing.T) {
	l, file := at(t, "", map[string]string{"profiles/aa.toml": "server.host = 'work'\n"})
	remove(t, &profiles.Loader{Dir: l.Env.Home}, ".ssh/config")
	write(t, &profiles.Loader{Dir: l.Env.Home}, ".ssh/config/x", "")
	set, problems := l.Load()
	if len(problems) != 1 || !problems[0].Warning || problems[0].File != file || names(set) != "aa" {
		t.Errorf("%s, %s", names(set), lines(problems))
	}
	write(t, l, "profiles/aa.toml", "server = { host = 'work', ssh_config = '"+file+"' }\n")
	l = &profiles.Loader{Dir: l.Dir, Env: l.Env}
	if set, problems := l.Load(); len(problems) != 1 || problems[0].Line != 1 || set.Len() != 0 {
		t.Errorf("%s, %s", names(set), lines(problems))
	}
}
