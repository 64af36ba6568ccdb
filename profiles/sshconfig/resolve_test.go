package sshconfig_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tunneld/profiles/sshconfig"
)

// setting is a home folder with a configuration, and what surrounds it.
func setting(t testing.TB, text string) (sshconfig.Environment, string) {
	t.Helper()
	home := t.TempDir()
	return sshconfig.Environment{
		Home: home, User: "ana", UserID: "1000", Hostname: "desk.example.net", System: filepath.Join(home, "etc"),
		Getenv: func(name string) (string, bool) { return "/run/" + name, name == "SOCK" },
	}, save(t, home, ".ssh/config", text)
}

func resolve(t testing.TB, host string, env sshconfig.Environment, files ...string) sshconfig.Resolved {
	t.Helper()
	r, err := sshconfig.Resolve(host, env, files...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func texts(r sshconfig.Resolved, keyword string) string {
	var all []string
	for _, v := range r.All(keyword) {
		all = append(all, v.Text)
	}
	return strings.Join(all, " | ")
}

func skipped(r sshconfig.Resolved) string {
	var all []string
	for _, s := range r.Skipped {
		all = append(all, filepath.Base(s.File)+strings.TrimPrefix(s.String(), s.File))
	}
	return strings.Join(all, "\n")
}

func TestExpansion(t *testing.T) {
	env, file := setting(t, `
HostName %h.example.com
Port 2222
User bob
HostKeyAlias al
IdentityFile ~/%n/%h/%p/%r/%u/%i/%k/%l/%L/%%
IdentityFile %d/k
IdentityFile ${SOCK}/k
IdentityAgent $SOCK
UserKnownHostsFile ~/a ~/b
LocalForward /tmp/%n ${SOCK}
ProxyCommand connect --as %r %h %p %% "%n"  # not a comment
`)
	r := resolve(t, "A", env, file)
	for keyword, want := range map[string]string{
		"hostname":           "a.example.com",
		"IdentityFile":       env.Home + "/A/a.example.com/2222/bob/ana/1000/al/desk.example.net/desk/% | " + env.Home + "/k | /run/SOCK/k",
		"IdentityAgent":      "/run/SOCK",
		"UserKnownHostsFile": env.Home + "/a | " + env.Home + "/b",
		"LocalForward":       "/tmp/A /run/SOCK",
		"ProxyCommand":       `connect --as bob %h %p %% "A"  # not a comment`,
	} {
		if got := texts(r, keyword); filepath.ToSlash(got) != filepath.ToSlash(want) {
			t.Errorf("%s: %s, want %s", keyword, got, want)
		}
	}
	forwards, bad := r.Forwards("LocalForward")
	if len(forwards) != 1 || forwards[0].Listen != "unix:/tmp/A" || forwards[0].Target != "unix:/run/SOCK" || bad != nil {
		t.Errorf("%+v %v", forwards, bad)
	}
	if v, _ := r.First("Port"); v.Place() != file+":3" || v.Keyword != "Port" {
		t.Errorf("%+v", v)
	}
}

// A value that could mean something to a shell does not get into a command.
func TestCommandTakesWordsAlone(t *testing.T) {
	for config, host := range map[string]string{
		"User 'x;id'\nProxyCommand nc -l %r %h %p\n": "a",
		"User -x\nProxyCommand nc %r\n":              "a",
		"HostKeyAlias `id`\nProxyCommand nc %k\n":    "a",
		"ProxyCommand nc %n\n":                       "$(id)",
	} {
		env, file := setting(t, config)
		r := resolve(t, host, env, file)
		if got := texts(r, "ProxyCommand"); got != "" || !strings.Contains(skipped(r), "a shell could take for more than a word") {
			t.Errorf("%s: %q\n%s", config, got, skipped(r))
		}
	}
}

// Everything that applies and is not carried over is listed.
func TestSkipped(t *testing.T) {
	env, file := setting(t, `Host other
  Compression yes
Host a
  Compression yes
  PKCS11Provider /lib/x
  PubkeyAuthentication no
  Foo bar
  IdentityFile ~bob/key
  IdentityFile ${NOPE}/key
  IdentityFile %C
  IdentityFile %
  User "bob
  Port
  Include ~bob/x [
  LocalForward 8080
Match host a exec "true"
  Port 7
Match host b exec "true"
  Port 8
Match final
Match canonical
Match tagged x
Match host
`)
	r := resolve(t, "a", env, file)
	r.Forwards("LocalForward")
	want := `config:4: Compression yes: tunneld does not do this, and the way to the server is the same without it
config:5: PKCS11Provider /lib/x: tunneld cannot do this: write what it leads to into the profile
config:6: PubkeyAuthentication no: tunneld cannot do this: write what it leads to into the profile
config:7: Foo bar: an unknown keyword
config:12: User "bob: a quote is not closed
config:13: Port : there is no value
config:14: Include ~bob/x [: the home folder of another account is not looked up
config:14: Include ~bob/x [: not a pattern of file names
config:16: Match host a exec "true": no command is run to read a file: the block is taken not to match
config:20: Match final: the files are read once: the block is taken not to match
config:21: Match canonical: the files are read once: the block is taken not to match
config:22: Match tagged x: the criterion tagged is not judged: the block is taken not to match
config:23: Match host: the criterion host has no value
config:8: IdentityFile ~bob/key: the home folder of another account is not looked up
config:9: IdentityFile ${NOPE}/key: the variable NOPE is not set
config:10: IdentityFile %C: the token %C is not known here
config:11: IdentityFile %: a single % at the end`
	if got := skipped(r); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	var harmless []int
	for _, s := range r.Skipped {
		if s.Harmless {
			harmless = append(harmless, s.Line)
		}
	}
	if !slices.Equal(harmless, []int{4, 6, 21}) {
		t.Error(harmless)
	}
	if _, bad := r.Forwards("LocalForward"); len(bad) != 1 || bad[0].Line != 15 {
		t.Error(bad)
	}
}

func TestNamed(t *testing.T) {
	env, file := setting(t, "Host *\nPort 1\nHost a !b\nHost *.x !*\nHost w*\n")
	for host, want := range map[string]bool{"a": true, "b": false, "c": false, "y.x": false, "web": true} {
		if r := resolve(t, host, env, file); r.Named != want {
			t.Errorf("%s: %v", host, r.Named)
		}
	}
}

func TestRemoteUser(t *testing.T) {
	env, file := setting(t, "User bob\nMatch user eve\nIdentityFile /k/%r\n")
	env.RemoteUser = "eve"
	r := resolve(t, "a", env, file)
	if v, _ := r.First("User"); v.Text != "eve" || v.Line != 0 || texts(r, "IdentityFile") != "/k/eve" {
		t.Errorf("%+v, %s", v, texts(r, "IdentityFile"))
	}
}

func TestIncludes(t *testing.T) {
	env, file := setting(t, "Include conf.d/* more\n")
	save(t, env.Home, ".ssh/conf.d/x", "Port 1\n")
	save(t, env.Home, ".ssh/more", "User bob\nInclude ~/.ssh/more\n")
	system := save(t, env.Home, "etc/ssh_config", "Include ssh_config.d/*.conf\n")
	save(t, env.Home, "etc/ssh_config.d/a.conf", "BindAddress 127.0.0.1\n")
	r := resolve(t, "a", env, file, system, filepath.Join(env.Home, "none"))
	if texts(r, "Port")+texts(r, "User")+texts(r, "BindAddress") != "1bob127.0.0.1" {
		t.Errorf("%+v", r)
	}
	if want := "more:2: Include ~/.ssh/more: Include is nested deeper than 16 files"; skipped(r) != want {
		t.Error(skipped(r))
	}
}

// A file that includes itself twice is not read 65,536 times.
func TestManyIncludes(t *testing.T) {
	env, file := setting(t, "Include config config\n")
	r := resolve(t, "a", env, file)
	if n := strings.Count(skipped(r), "more than 1000 files"); n != 1 {
		t.Errorf("%d", n)
	}
}

func TestUnreadable(t *testing.T) {
	env, _ := setting(t, "")
	if _, err := sshconfig.Resolve("a", env, env.Home); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Error(err)
	}
	long := save(t, env.Home, "long", strings.Repeat("#", 1<<20+1))
	if _, err := sshconfig.Resolve("a", env, long); err == nil {
		t.Error("read")
	}
	if err := os.Remove(long); err != nil {
		t.Fatal(err)
	}
	save(t, env.Home, ".ssh/sub/x", "")
	file := save(t, env.Home, "outer", "Include sub\n")
	if r := resolve(t, "a", env, file); skipped(r) != "outer:1: Include sub: "+filepath.Join(env.Home, ".ssh", "sub")+" is not read: not a regular file" {
		t.Error(skipped(r))
	}
}

func TestJumps(t *testing.T) {
	env, file := setting(t, `Host inner
  ProxyJump mid,bob@[::1]:2200
Host mid
  HostName Mid.example.com
  User mia
  ProxyJump ssh://%n-edge:2222
  IdentityFile /k/mid
Host mid-edge
  User eve
Host loop
  ProxyJump pool
Host pool
  ProxyJump loop
Host bad
  ProxyJump h:port
Host behind
  ProxyJump command
Host command
  ProxyCommand nc x y
`)
	for host, want := range map[string]string{
		"inner":  "[eve@mid-edge:2222 mia@mid.example.com:22 bob@[::1]:2200]",
		"mid":    "[eve@mid-edge:2222]",
		"loop":   "[]",
		"bad":    "[]",
		"behind": "[ana@command:22]",
	} {
		r := resolve(t, host, env, file)
		var got []string
		for _, h := range r.Jumps {
			got = append(got, h.String())
		}
		if text := "[" + strings.Join(got, " ") + "]"; text != want {
			t.Errorf("%s: %s, want %s", host, text, want)
		}
	}
	for host, want := range map[string]string{
		"inner":  "config:2: ProxyJump mid,bob@[::1]:2200: the jump host mid has its own IdentityFile: make it a profile, and write profile:NAME",
		"bad":    `config:15: ProxyJump h:port: "port" is not a port`,
		"behind": "config:17: ProxyJump command: the jump host command has its own ProxyCommand: make it a profile, and write profile:NAME",
	} {
		if got := skipped(resolve(t, host, env, file)); got != want {
			t.Errorf("%s: %s", host, got)
		}
	}
	if got := skipped(resolve(t, "loop", env, file)); !strings.HasSuffix(got, "the jump hosts lead in a circle, or are too many") || strings.Contains(got, "\n") {
		t.Error(got)
	}
}

// FuzzResolve reads any text: no panic, every place is in the text, and the
// words of a value come back when they are written with quotes.
func FuzzResolve(f *testing.F) {
	for _, c := range configs {
		f.Add("a", c.text)
	}
	f.Add("a", "Match host a exec x\nPort\nUser \"\\\\\nInclude *\nProxyJump a,b\nIdentityFile ${X} %h %")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, host, text string) {
		file := filepath.Join(dir, "config")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := sshconfig.Resolve(host, sshconfig.Environment{Home: "/none", User: "ana"}, file)
		if err != nil {
			return // over 1 MiB
		}
		last := 1 + strings.Count(text, "\n")
		for _, s := range r.Skipped {
			if s.File == file && (s.Line < 1 || s.Line > last) || s.Reason == "" {
				t.Fatalf("%+v", s)
			}
		}
		for _, keyword := range compared {
			for _, v := range r.All(keyword) {
				if v.File == file && (v.Line < 1 || v.Line > last) {
					t.Fatalf("%+v", v)
				}
			}
			r.Forwards(keyword)
		}
	})
}
