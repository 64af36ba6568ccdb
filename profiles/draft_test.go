package profiles_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tunneld/profiles"
)

// draft makes a profile from an ssh_config.
func draft(t *testing.T, l *profiles.Loader, host string) (profiles.Draft, []profiles.Problem) {
	t.Helper()
	r, err := l.Env.SSHConfig(host)
	if err != nil {
		t.Fatal(err)
	}
	d := profiles.DraftSSHConfig(r, l.Env)
	d.SetHost(r.HostName())
	return l.Refine(host, d)
}

func TestDraft(t *testing.T) {
	l, file := at(t, everyWay+"  LocalForward 8080 other:80\n  RemoteForward 9000 localhost:9001\n  LocalForward /tmp/s h:1\n  LocalForward 81\n", nil)
	d, problems := draft(t, l, "gw")
	if problems != nil {
		t.Fatal(lines(problems))
	}
	want := strings.ReplaceAll(`# gw, as FILE has it
#
# Left out:
#   FILE:38: LocalForward 81: there is no target

[server]
host = "gw.example.com" # FILE:28
user = "gina" # FILE:29
ssh_config = "none"

[auth]
identity_files = ["~/.ssh/work", "~/.ssh/other"] # FILE:30
certificate_files = ["~/.ssh/work-cert.pub"] # FILE:32
identities_only = false

[host_key]
alias = "alias" # FILE:33
known_hosts = ["~/.ssh/hosts", "/etc/ssh/ssh_known_hosts"] # FILE:34

[[forward.local]] # FILE:35
listen = 8080
target = "other:80"

[[forward.local]] # FILE:37
listen = "unix:/tmp/s"
target = "h:1"

[[forward.remote]] # FILE:36
listen = 9000
target = "localhost:9001"
`, "FILE", file)
	text := d.TOML("gw, as " + file + " has it")
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Error(diff)
	}
	path := filepath.Join(l.Dir, "gw.toml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, problems := l.LoadFile(path); problems != nil {
		t.Error(lines(problems))
	}
}

// The profile that is written is the one that ssh_config gives where it lies.
func TestDraftSaysTheSame(t *testing.T) {
	l, _ := at(t, everyWay, map[string]string{"profiles/lab.toml": "server.host = 'work'\n"})
	before, _ := load(t, l).Profile("lab")
	d, problems := draft(t, l, "work")
	if problems != nil {
		t.Fatal(lines(problems))
	}
	write(t, l, "profiles/lab.toml", string(d.TOML("x\ny")))
	after, _ := load(t, l).Profile("lab")
	after.Forwards, after.Server.SSHConfig, after.Auth.IdentityFilesWritten = nil, "auto", false
	after.Auth.ForwardAgent = false // no part of the way to the server
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
}

func TestDraftOfSystem(t *testing.T) {
	l, _ := at(t, "Host a\n Port 5\n", nil)
	l.Env.System = true
	if _, problems := draft(t, l, "a"); len(problems) != 1 || problems[0].Message != "this key is required in system profiles" {
		t.Error(lines(problems))
	}
}

// Whatever ssh_config says, the profile that is written loads, or Refine says
// what is wrong.
func FuzzDraft(f *testing.F) {
	f.Add("work", everyWay)
	f.Add("a", "HostName \"x y\"\nUser -a\nPort 0\nLocalForward 1 a:1\nLocalForward 1 b:2\nDynamicForward 5\nProxyCommand '\nIdentityFile ${\nIdentityFile a\x01")
	dir := f.TempDir()
	l := &profiles.Loader{Dir: dir, Env: profiles.Environment{Home: dir, User: "ana"}, ReadOnly: true}
	if err := os.Mkdir(filepath.Join(dir, ".ssh"), 0o700); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, host, config string) {
		if strings.Contains(strings.ToLower(config), "include") {
			return
		}
		write(t, &profiles.Loader{Dir: dir}, ".ssh/config", config)
		r, err := l.Env.SSHConfig(host)
		if err != nil {
			return
		}
		d := profiles.DraftSSHConfig(r, l.Env)
		d.SetHost(r.HostName())
		d, problems := l.Refine("lab", d)
		if problems != nil {
			return
		}
		text := string(d.TOML(host))
		write(t, l, "lab.toml", text)
		if _, problems := l.LoadFile(filepath.Join(dir, "lab.toml")); problems != nil {
			t.Fatalf("%s\n%s", text, lines(problems))
		}
	})
}
