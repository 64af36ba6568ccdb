package profiles_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tunneld/profiles"
)

func TestDefaults(t *testing.T) {
	got := one(t, smallest+"forward.local = [{ listen = 5432, target = 'db.internal:5432' }]\n")
	ssh := filepath.Join("/home/ana", ".ssh")
	want := profiles.Profile{
		Name: "lab", Schema: 1, Enabled: true, Start: "always", IdleTimeout: 5 * time.Minute,
		Server: profiles.Server{Host: "bastion.example.com", Port: 22, User: "ana", SSHConfig: "auto", AddressFamily: "any"},
		Link: profiles.Link{ConnectTimeout: 15 * time.Second, Keepalive: 15 * time.Second, KeepaliveMisses: 3,
			ReconnectMin: 500 * time.Millisecond, ReconnectMax: 30 * time.Second, RefusedRetry: 10 * time.Minute},
		Auth: profiles.Auth{Methods: []string{"publickey"}, Agent: "auto", Passphrase: "prompt", Password: "prompt",
			IdentityFiles: []string{
				filepath.Join(ssh, "id_rsa"), filepath.Join(ssh, "id_ecdsa"), filepath.Join(ssh, "id_ecdsa_sk"),
				filepath.Join(ssh, "id_ed25519"), filepath.Join(ssh, "id_ed25519_sk"),
			}},
		HostKey: profiles.HostKey{Policy: "strict", KnownHosts: []string{filepath.Join(ssh, "known_hosts"), "/etc/ssh/ssh_known_hosts"}},
		Forwards: []profiles.Forward{{
			Kind: profiles.Local, Name: "local-5432", Enabled: true, Hold: 10 * time.Second, Mode: "0600",
			Listen: profiles.Address{Network: profiles.TCP, Host: "localhost", Port: 5432},
			Target: profiles.Address{Network: profiles.TCP, Host: "db.internal", Port: 5432},
		}},
		X11:   profiles.X11{Enabled: true},
		Shell: profiles.Shell{Enabled: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A program is trusted as [x11] says, unless it says otherwise.
func TestAppsInheritTrust(t *testing.T) {
	l := folder(t, map[string]string{"profiles/lab.toml": `
server.host = "h.example.com"
x11.trusted = true
[[x11.app]]
name = "a"
command = "a"
[[x11.app]]
name = "b"
command = "b"
trusted = false
`})
	p, _ := load(t, l).Profile("lab")
	if len(p.X11.Apps) != 2 || !p.X11.Apps[0].Trusted || p.X11.Apps[1].Trusted || p.X11.Apps[0].Start != "manual" {
		t.Errorf("%+v", p.X11.Apps)
	}
}

func TestExpansion(t *testing.T) {
	l := folder(t, map[string]string{"profiles/lab.toml": `
description = "${NOPE} stays"
server.host = "${HOSTPART}.example.com"
auth.identity_files = ["~/.ssh/work", "keys/id", "${APPDATA}/key", "/abs"]
auth.agent = "agent.sock"
forward.local = [{ listen = "${PORT}", target = "${HOSTPART}:${PORT}" }]
`})
	p, _ := load(t, l).Profile("lab")
	files := []string{filepath.Join("/home/ana", ".ssh/work"), filepath.Join(l.Dir, "keys/id"), "/appdata/key", "/abs"}
	if p.Description != "${NOPE} stays" || p.Server.Host != "bastion.example.com" || !slices.Equal(p.Auth.IdentityFiles, files) ||
		p.Auth.Agent != filepath.Join(l.Dir, "agent.sock") || p.Forwards[0].Listen.String() != "localhost:5432" ||
		p.Forwards[0].Target.String() != "bastion:5432" || !p.Auth.IdentitiesOnly || !p.Auth.IdentityFilesWritten {
		t.Errorf("%+v", p)
	}
}

func TestWindowsPaths(t *testing.T) {
	l := folder(t, nil)
	l.Env.Windows = true
	p, _, problems := l.Parse("", smallest+`auth.identity_files = ['C:\Users\ana\key', 'C:/key', '\\server\share\key', '~\key']`)
	home := filepath.Join("/home/ana", `\key`)
	want := []string{`C:\Users\ana\key`, "C:/key", `\\server\share\key`, home}
	if !slices.Equal(p.Auth.IdentityFiles, want) || problems != nil {
		t.Errorf("%q, %v", p.Auth.IdentityFiles, problems)
	}
}

func TestNoHome(t *testing.T) {
	l := folder(t, nil)
	l.Env.Home = ""
	p, _, problems := l.Parse("", smallest)
	if problems != nil || p.Auth.IdentityFiles != nil || !slices.Equal(p.HostKey.KnownHosts, []string{"/etc/ssh/ssh_known_hosts"}) {
		t.Errorf("%+v, %v", p, problems)
	}
	_, _, problems = l.Parse("", smallest+"auth.identity_files = ['~/k']")
	if len(problems) != 1 || problems[0].Message != "~ stands for nothing: the account has no home folder" {
		t.Error(problems)
	}
}

func TestInheritance(t *testing.T) {
	l := folder(t, map[string]string{
		"daemon.toml":       "log_format = 'json'\n[defaults.link]\nkeepalive = '10s'\nreconnect_max = '1m'\n[defaults.auth]\nidentity_files = ['/k']\n",
		"profiles/lab.toml": smallest + "link.reconnect_max = '2m'\n",
	})
	set := load(t, l)
	p, _ := set.Profile("lab")
	if p.Link.Keepalive != 10*time.Second || p.Link.ReconnectMax != 2*time.Minute || !p.Auth.IdentitiesOnly {
		t.Errorf("%+v", p)
	}
	if d, v := set.Daemon(); d.LogFormat != "json" || d.LogLevel != "info" || v != profiles.Current {
		t.Errorf("%+v, %s", d, v)
	}
	shown := map[string]profiles.Setting{}
	for _, s := range set.Show("lab") {
		shown[s.Key] = s
	}
	for _, want := range []profiles.Setting{
		{Key: "server.host", Value: `"bastion.example.com"`, Origin: "profiles/lab.toml:1"},
		{Key: "link.keepalive", Value: `"10s"`, Origin: "daemon.toml:3"},
		{Key: "link.reconnect_max", Value: `"2m"`, Origin: "profiles/lab.toml:2"},
		{Key: "link.reconnect_min", Value: `"500ms"`, Origin: profiles.Default},
		{Key: "auth.identity_files", Value: `["/k"]`, Origin: "daemon.toml:6"},
		{Key: "auth.identities_only", Value: "true", Origin: profiles.Default},
		{Key: "server.user", Value: `"ana"`, Origin: profiles.Default},
	} {
		if shown[want.Key] != want {
			t.Errorf("got %v, want %v", shown[want.Key], want)
		}
	}
}

// Show lists every key of the schema, but those of lists that are empty.
func TestShowIsComplete(t *testing.T) {
	l := folder(t, map[string]string{"profiles/lab.toml": smallest + "[[forward.local]]\nlisten = 1\ntarget = 2\n"})
	shown := map[string]bool{}
	for _, s := range load(t, l).Show("lab") {
		shown[strings.Replace(s.Key, "[0]", "[]", 1)] = true
	}
	for _, k := range profiles.Keys() {
		empty := strings.Contains(k.Name, "[]") && !strings.HasPrefix(k.Name, "forward.local")
		if shown[k.Name] == empty {
			t.Errorf("%s: shown %v", k.Name, shown[k.Name])
		}
	}
}

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"5432": "localhost:5432", "0": "localhost:0", "h:1": "h:1", "[::1]:2": "[::1]:2", "[fe80::1%eth0]:2": "[fe80::1%eth0]:2",
		"unix:/run/x": "unix:/run/x", `pipe:x`: "pipe:x", "socks": "socks", "0.0.0.0:80": "0.0.0.0:80",
	} {
		if a, err := profiles.ParseAddress(text); err != nil || a.String() != want {
			t.Errorf("%s: %v, %v", text, a, err)
		}
	}
	for _, text := range []string{"", "h", "::1", "::1:5", "h:-1", "h:+1", "h:65536", ":1", "*:1", "a b:1", "a@b:1", "unix:", "pipe:", "h:http", "-h:1", "[x:y]:1"} {
		if a, err := profiles.ParseAddress(text); err == nil {
			t.Errorf("%s: %v", text, a)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]string{"5432": "localhost:5432", "[::1]:2": "[::1]:2", "unix:/run/x": "unix:/run/x"} {
		if a, err := profiles.ParseTarget(text); err != nil || a.String() != want {
			t.Errorf("%s: %v, %v", text, a, err)
		}
	}
	for _, text := range []string{"", "h", "h:0", "0", "pipe:x", "socks", "::1:5"} {
		if a, err := profiles.ParseTarget(text); err == nil {
			t.Errorf("%s: %v", text, a)
		}
	}
}

func TestKeys(t *testing.T) {
	seen := map[string]profiles.Key{}
	for _, k := range append(profiles.Keys(), profiles.DaemonKeys()...) {
		if _, twice := seen[k.Name]; twice {
			t.Errorf("%s is there twice", k.Name)
		}
		seen[k.Name] = k
	}
	want := profiles.Key{Name: "server.host", Type: "string", Required: true}
	if diff := cmp.Diff(want, seen["server.host"]); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"forward.local[].mode", "forward.remote[].probe", "forward.dynamic[].hold", "x11.app[].login_shell", "auth.answer[].prompt", "defaults.link.keepalive", "log_level"} {
		if _, ok := seen[name]; !ok {
			t.Errorf("no %s", name)
		}
	}
	if _, ok := seen["forward.dynamic[].target"]; ok {
		t.Error("a dynamic forward has no target")
	}
}

// What a key may look like, and what not.
func TestFormats(t *testing.T) {
	l := folder(t, map[string]string{"config": ""})
	for _, test := range []struct {
		key       string
		good, bad []string
	}{
		{"server.host", []string{"h", "192.0.2.1", "::1", "fe80::1%eth0", "h_x.example.com"}, []string{"-h", "h/x", "a:b", "*", "x;id", "$(id)", "a&b", "a b", "h%p", "::1%$(id)", "bücher.example", strings.Repeat("h", 256)}},
		{"server.user", []string{"ana", "ana@corp.example", `CORP\ana`, "jürgen"}, []string{"-oProxyCommand", "a b", "a;id", "$(id)", "`id`", `a"b`, "a|b", `a\`, "a\u202eb"}},
		{"server.bind_address", []string{"192.0.2.1", "::1"}, []string{"h"}},
		{"server.proxy", []string{"socks5://h:1", "http://ana:pw@h:3128", "command:nc %h %p ${NOPE}"}, []string{"command: ", "socks5://h", "http://h:0", "socks5://:1", "http://%zz:1"}},
		{"server.ssh_config", []string{"auto", "none", "config"}, []string{"~bob/config"}},
		{"auth.passphrase", []string{"prompt", "env:PASS", "file:~/pass", "command:pass show work", "credential:work", "keyring:work"}, []string{"env:", "env:A B", "file:", "file:~bob/x", "command:", "keyring:a/b", "Prompt"}},
		{"forward.local", nil, []string{"x"}},
		{"x11.display", []string{":0", "h:10.0"}, []string{"h", ":x"}},
	} {
		for i, value := range append(test.good, test.bad...) {
			text := test.key + " = '" + value + "'\n"
			if test.key != "server.host" {
				text = smallest + text
			}
			_, _, problems := l.Parse("", text)
			if wrong := len(problems) > 0; wrong != (i >= len(test.good)) {
				t.Errorf("%s\n%s", text, lines(problems))
			}
		}
	}
}

// A name that is not in ASCII is refused with what to write in its place.
func TestUnicodeHosts(t *testing.T) {
	l := folder(t, nil)
	for _, text := range []string{
		"server.host = 'bücher.example'\n",
		smallest + "server.proxy_jump = ['ana@bücher.example:22']\n",
		smallest + "forward.local = [{ listen = 1, target = 'bücher.example:1' }]\n",
	} {
		_, _, problems := l.Parse("", text)
		if len(problems) != 1 || !strings.Contains(problems[0].Hint, "punycode") {
			t.Errorf("%s%s", text, lines(problems))
		}
	}
}

// What is shown ends up in tickets: the one secret that a profile may spell out
// is left out, and the proxy still gets it.
func TestShowHidesProxyPassword(t *testing.T) {
	const proxy = "socks5://ana:hunter2@p:1080"
	l := folder(t, map[string]string{"profiles/lab.toml": "server = { host = 'h', user = 'ana', proxy = '" + proxy + "' }\n"})
	set := load(t, l)
	for _, s := range set.Show("lab") {
		if strings.Contains(s.Value, "hunter2") || s.Key == "server.proxy" && s.Value != `"socks5://ana:xxxxx@p:1080"` {
			t.Errorf("%+v", s)
		}
	}
	if p, _ := set.Profile("lab"); p.Server.Proxy != proxy {
		t.Errorf("the proxy is %s", p.Server.Proxy)
	}
}

// daemon.toml's metrics is an address of this machine: a bare port is loopback.
func TestMetricsAddress(t *testing.T) {
	for text, want := range map[string]string{
		`""`: "", "9464": "localhost:9464", `"9464"`: "localhost:9464", `"127.0.0.1:9464"`: "127.0.0.1:9464", `"[::]:9464"`: "[::]:9464", `"box:9464"`: "box:9464",
		`0`: "a problem", `"0"`: "a problem", `":9464"`: "a problem", `"unix:x"`: "a problem", `"socks"`: "a problem", `true`: "a problem", `70000`: "a problem",
	} {
		set, problems := folder(t, map[string]string{"daemon.toml": "metrics = " + text}).Load()
		d, _ := set.Daemon()
		got := d.Metrics.String()
		if len(problems) > 0 {
			got = "a problem"
			if problems[0].Key != "metrics" {
				t.Errorf("%s: %v", text, problems)
			}
		}
		if got != want {
			t.Errorf("metrics = %s: %q, want %q", text, got, want)
		}
	}
}
