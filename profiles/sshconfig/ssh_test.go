package sshconfig_test

import (
	"bytes"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"tunneld/profiles/sshconfig"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// configs are files, and the hosts that the real ssh is asked about. FOLDER is
// where the file and its includes lie, ME the account's name.
var configs = []struct {
	name, text string
	includes   map[string]string
	hosts      []string
}{
	{"plain", "Host a\n HostName a.example.com\n Port 2222\n User bob\nHost b\n Port 23\n", nil, []string{"a", "b", "c"}},
	{"the first value wins", "Host a\n User one\n User two\nHost *\n User three\n Port 24\n", nil, []string{"a", "b"}},
	{"before any Host", "User all\nHost a\n User late\n", nil, []string{"a"}},
	{"patterns", "Host *.example.com !bad.example.com\n User one\nHost w?b* x\n User two\nHost !a *\n Port 9\n", nil,
		[]string{"a.example.com", "bad.example.com", "web1", "wb", "x", "a", "WEB"}},
	{"only a negation", "Host !a\n Port 9\n", nil, []string{"a", "b"}},
	{"equals signs", "Host=a\nHostName = b.example.com\nPort=99\nUser =bob\n", nil, []string{"a"}},
	{"quotes and comments", "Host \"a\" 'b'\n HostName \"c.example.com\" # here\n User bob#1 # there\n IdentityFile \"/k/with space\"\n IdentityFile /k/with\\ space2\n#Port 3\n", nil, []string{"a", "b"}},
	{"tabs, case, CRLF", "HOST a\r\n\thostname\tB.example.com\r\n\tPORT\t5\r\n\r\n", nil, []string{"a"}},
	{"tokens", "Host *\n HostName %h.example.com\n ProxyCommand nc -x %%:1 %h %p\n", nil, []string{"a"}},
	{"several keys", "IdentityFile /k/one\nHost a\n IdentityFile /k/two\n IdentityFile /k/one\n CertificateFile /k/c1\n CertificateFile /k/c2\n IdentitiesOnly yes\n IdentityAgent none\n", nil, []string{"a"}},
	{"jumps", "Host a\n ProxyJump ana@gw.example.com:2222,gw2\nHost b\n ProxyJump none\n ProxyCommand nc x y\nHost c\n ProxyCommand nc x y\n ProxyJump gw\n", nil, []string{"a", "b", "c"}},
	{"forwards", "LocalForward 8080 db:5432\nLocalForward 127.0.0.1:81 [::1]:80\nLocalForward [::1]:82 h:83\nLocalForward *:84 h:85\nRemoteForward 90 localhost:91\nRemoteForward 1.2.3.4:92 h:93\nRemoteForward 1099\nDynamicForward 1080\nDynamicForward localhost:1081\n", nil, []string{"a"}},
	{"Match host", "HostName real\nMatch host real\n User one\nMatch originalhost real\n Port 1\nMatch host a,REA*,!x\n Port 2\n", nil, []string{"a", "x"}},
	{"Match user", "User bob\nMatch user b*,!bill\n Port 5\nMatch !user bob\n Port 6\n", nil, []string{"a"}},
	{"Match localuser", "Match localuser ME\n Port 7\nMatch !localuser ME\n Port 8\n", nil, []string{"a"}},
	{"Match all", "Match originalhost a\n Port 7\nMatch all\n User x\n", nil, []string{"a", "b"}},
	{"Match exec that says no", "Match host a exec \"false\"\n Port 7\nMatch host a\n Port 8\n", nil, []string{"a"}},
	{"Match canonical", "Match canonical all\n Port 7\n", nil, []string{"a"}},
	{"Include", "Host a\n Include FOLDER/one FOLDER/none\n Port 7\nHost b\n Include FOLDER/two\nInclude FOLDER/*.conf\n",
		map[string]string{"one": "User inner\nHost b\n Port 1\n", "two": "Port 2\nHost c\n User no\n", "x.conf": "BindAddress 127.0.0.1\n", "y.conf": "BindAddress 127.0.0.2\nHost a\nAddressFamily inet6\n"}, []string{"a", "b", "c"}},
	{"times and the rest", "ServerAliveInterval 1m30s\nServerAliveCountMax 7\nConnectTimeout 12\nAddressFamily inet\nBindAddress 127.0.0.1\nHostKeyAlias al\nStrictHostKeyChecking accept-new\nUserKnownHostsFile /a /b\nGlobalKnownHostsFile /c\nForwardX11 yes\nForwardX11Trusted no\nForwardAgent yes\nUpdateHostKeys yes\nGatewayPorts yes\n", nil, []string{"a"}},
}

// The real ssh finds the same.
func TestAsSSH(t *testing.T) {
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		t.Skip("there is no ssh")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			place := strings.NewReplacer("FOLDER", dir, "ME", me.Username)
			file := save(t, dir, "config", place.Replace(c.text))
			for name, text := range c.includes {
				save(t, dir, name, text)
			}
			for _, host := range c.hosts {
				r, err := sshconfig.Resolve(host, sshconfig.Environment{Home: me.HomeDir, User: me.Username}, file)
				if err != nil {
					t.Fatal(err)
				}
				compare(t, r, ask(t, ssh, host, file), ask(t, ssh, host, "/dev/null"))
			}
		})
	}
}

func save(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ask returns the lines of ssh -G by keyword.
func ask(t *testing.T, ssh, host, file string) map[string][]string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(ssh, "-G", "-F", file, host)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ssh -G: %v\n%s", err, stderr.String())
	}
	said := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		keyword, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		said[keyword] = append(said[keyword], text)
	}
	return said
}

var compared = []string{
	"User", "Port", "IdentityFile", "IdentitiesOnly", "CertificateFile", "IdentityAgent", "ProxyJump", "ProxyCommand",
	"UserKnownHostsFile", "GlobalKnownHostsFile", "HostKeyAlias", "StrictHostKeyChecking", "ServerAliveInterval",
	"ServerAliveCountMax", "ConnectTimeout", "BindAddress", "AddressFamily", "LocalForward", "RemoteForward",
	"DynamicForward", "ForwardX11", "ForwardX11Trusted", "ForwardAgent", "UpdateHostKeys", "GatewayPorts",
}

// compare holds what was resolved against what ssh said, and says without a
// file where a keyword is missing.
func compare(t *testing.T, r sshconfig.Resolved, said, without map[string][]string) {
	t.Helper()
	if got := r.HostName(); got != said["hostname"][0] {
		t.Errorf("%s: HostName %s, ssh: %s", r.Host, got, said["hostname"][0])
	}
	for _, keyword := range compared {
		var got []string
		for _, v := range r.All(keyword) {
			got = append(got, v.Text)
		}
		want := said[strings.ToLower(keyword)]
		switch keyword {
		case "UserKnownHostsFile", "GlobalKnownHostsFile":
			if got != nil {
				got = []string{strings.Join(got, " ")}
			}
		case "LocalForward", "RemoteForward", "DynamicForward":
			got = forwards(t, r, keyword)
		case "UpdateHostKeys":
			got = replace(got, "yes", "true")
		case "ServerAliveInterval":
			got = replace(got, "1m30s", "90")
		case "ProxyJump", "ProxyCommand":
			got = replace(got, "none", "")
			want = append(want, "")[:1]
		}
		if got == nil {
			got = append(without[strings.ToLower(keyword)], want[:0]...)
		}
		got, want = slices.DeleteFunc(got, empty), slices.DeleteFunc(slices.Clone(want), empty)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %s %q, ssh: %q", r.Host, keyword, got, want)
		}
	}
}

func empty(s string) bool { return s == "" }

func replace(list []string, from, to string) []string {
	for i := range list {
		if list[i] == from {
			list[i] = to
		}
	}
	return list
}

// forwards writes them as ssh -G does, as far as it says more than we do.
func forwards(t *testing.T, r sshconfig.Resolved, keyword string) []string {
	t.Helper()
	all, bad := r.Forwards(keyword)
	for _, s := range bad {
		t.Error(s)
	}
	var texts []string
	for _, f := range all {
		listen := strings.ReplaceAll(strings.TrimPrefix(f.Listen, "unix:"), "0.0.0.0", "*")
		target := strings.TrimPrefix(f.Target, "unix:")
		if f.Target == "socks" {
			target = "socks:0"
		}
		texts = append(texts, strings.TrimSpace(bracket(listen)+" "+bracket(target)))
	}
	return texts
}

// bracket puts every host into brackets.
func bracket(address string) string {
	i := strings.LastIndexByte(address, ':')
	if i < 0 || address[0] == '[' {
		return address
	}
	return "[" + address[:i] + "]" + address[i:]
}
