package profiles_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tunneld/profiles"
	"tunneld/profiles/putty"
)

func puttyDraft(t *testing.T, text string) (string, profiles.Draft) {
	t.Helper()
	s, err := putty.Parse("lab", "lab", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	l := folder(t, nil)
	d, err := profiles.DraftPuTTY(s, l.Env)
	if err != nil {
		t.Fatal(err)
	}
	d, problems := l.Refine("lab", d)
	if problems != nil {
		t.Fatal(lines(problems))
	}
	return string(d.TOML("lab")), d
}

func TestDraftPuTTY(t *testing.T) {
	got, _ := puttyDraft(t, `HostName=bob@db.example.com
Protocol=ssh
PortNumber=2222
UserName=eve
PublicKeyFile=/home/ana/keys/db.ppk
PingInterval=1
PingIntervalSecs=30
AddressFamily=1
TryAgent=0
Compression=1
ProxyMethod=2
ProxyHost=proxy.example.com
ProxyPort=1080
ProxyUsername=ana
ProxyPassword=hunter2
PortForwardings=4L5432=db:5432,R8080=localhost:80,D1080=,L1
X11Forward=1
SSHManualHostKeys=SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA,aa:bb
RemoteCommand=top
`)
	want := `# lab
#
# Left out:
#   lab:15: ProxyPassword: a password is not copied: write it into server.proxy
#   lab:5: PublicKeyFile=/home/ana/keys/db.ppk: a key of PuTTY's own format: export it, in PuTTYgen with Conversions, Export OpenSSH key, or with puttygen KEY.ppk -O private-openssh-new -o KEY, and name the new file in auth.identity_files
#   lab:18: SSHManualHostKeys=aa:bb: only fingerprints of the form SHA256:... are taken
#   lab:16: PortForwardings: L1: "" is not host:port
#   lab:19: RemoteCommand=top: tunneld runs what is asked for when it is asked for

[server]
user = "bob" # lab:1
host = "db.example.com" # lab:1
port = 2222 # lab:3
address_family = "inet" # lab:8
proxy = "socks5://ana@proxy.example.com:1080" # lab:11
ssh_config = "none"

[link]
keepalive = "1m30s" # lab:7

[auth]
agent = "none" # lab:9

[host_key]
fingerprints = ["SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] # lab:18

[[forward.local]] # lab:16
listen = "127.0.0.1:5432"
target = "db:5432"

[[forward.remote]] # lab:16
listen = 8080
target = "localhost:80"

[[forward.dynamic]] # lab:16
listen = 1080

[x11]
enabled = true # lab:17
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDraftPuTTYWays(t *testing.T) {
	for settings, want := range map[string]string{
		"":             `methods = ["publickey", "keyboard-interactive", "password"]`,
		"UserName=ana": `user = "ana" # lab:2`,
		"ProxyMethod=5\nProxyTelnetCommand=nc -q %host %port":       `proxy = "command:nc -q %h %p" # lab:3`,
		"ProxyMethod=5\nProxyTelnetCommand=nc %host | x":            `proxy = "command:sh -c 'exec nc %h | x'" # lab:3`,
		"ProxyMethod=5\nProxyTelnetCommand=nc %user":                `#   lab:3: ProxyTelnetCommand=nc %user: only`,
		"ProxyMethod=6\nProxyHost=gw\nProxyPort=22":                 `proxy_jump = ["gw:22"] # lab:2`,
		"ProxyMethod=6\nProxyHost=gw\nProxyPort=2\nProxyUsername=a": `proxy_jump = ["a@gw:2"] # lab:2`,
		"ProxyMethod=3\nProxyHost=p\nProxyPort=3128":                `proxy = "http://p:3128" # lab:2`,
		"ProxyMethod=4":         `#   lab:2: ProxyMethod=4: there is no such proxy`,
		"ProxyMethod=2":         `#   lab:2: ProxyMethod=2: not a proxy`,
		"PublicKeyFile=/k/id":   `identity_files = ["/k/id"] # lab:2`,
		"PortNumber=99999":      `#   lab:2: PortNumber=99999: must be at most 65535`,
		"LogHost=x":             `alias = "x" # lab:2`,
		"DetachedCertificate=c": `certificate_files = ["c"] # lab:2`,
	} {
		if got, _ := puttyDraft(t, "HostName=h\n"+settings); !strings.Contains(got, want) {
			t.Errorf("%s:\n%s", settings, got)
		}
	}
}

func TestDraftPuTTYRefused(t *testing.T) {
	for _, text := range []string{"Protocol=telnet\nHostName=h\n", "Protocol=ssh\n"} {
		s, err := putty.Parse("lab", "lab", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := profiles.DraftPuTTY(s, environment()); err == nil {
			t.Errorf("%s: made a draft", text)
		}
	}
}
