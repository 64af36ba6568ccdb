package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"tunneld/profiles"
)

// imports are an importer whose home folder holds the files, and its output.
func imports(t *testing.T, files map[string]string) (*importer, *bytes.Buffer) {
	t.Helper()
	home := t.TempDir()
	for name, text := range files {
		path := filepath.Join(home, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	env := profiles.Environment{Home: home, User: "ana"}
	return &importer{loader: &profiles.Loader{Dir: filepath.Join(home, "config"), Env: env, ReadOnly: true}, out: &out}, &out
}

const importedConfig = `Host work W
  HostName bastion.example.com
  User bob
  LocalForward 5432 db:5432
  PKCS11Provider x
Host bad
  LocalForward 1 a:1
`

func TestImport(t *testing.T) {
	im, out := imports(t, map[string]string{".ssh/config": importedConfig})
	if err := im.hosts([]string{"work", "W"}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(im.loader.Dir, "profiles", "work.toml")
	for _, want := range []string{file + "\n", "host-w.toml\n", "config:5: PKCS11Provider x: "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	info, err := os.Stat(file)
	if err != nil || (runtime.GOOS != "windows" && info.Mode().Perm() != 0o600) {
		t.Errorf("%v, %v", info, err)
	}
	set, problems := im.loader.LoadFile(file)
	if p, _ := set.Profile("work"); p.Server.User != "bob" || len(p.Forwards) != 1 {
		t.Errorf("%+v, %v", p, problems)
	}
	im.beside()
	if !strings.Contains(out.String(), "\nprofiles/work.toml:12:1: forward.local[0].listen: localhost:5432 is taken") {
		t.Errorf("a port that two profiles want is not told:\n%s", out)
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(text), "# Made from what ssh_config says about work.\n") {
		t.Errorf("%s, %v", text, err)
	}
}

// What a file holds is printed without what a terminal would obey, and what
// nobody misses is counted alone.
func TestImportPrintsCleanly(t *testing.T) {
	im, out := imports(t, map[string]string{".ssh/config": "Host work\n  HostName h\n  PKCS11Provider \x1b]0;evil\a\u202e\u009b2J\n" +
		"  HostKeyAlias \u202e\u009b2J\n  SendEnv LANG\n  HashKnownHosts yes\n  GSSAPIAuthentication yes\n"})
	if err := im.hosts([]string{"work"}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\a\u202e\u009b") || !strings.Contains(out.String(), "PKCS11Provider ]0;evil") {
		t.Errorf("%q", out)
	}
	if strings.Contains(out.String(), "SendEnv") || !strings.Contains(out.String(), "not missed on the way to the server: ") {
		t.Errorf("%s", out)
	}
	text, err := os.ReadFile(filepath.Join(im.loader.Dir, "profiles", "work.toml"))
	if err != nil || strings.ContainsAny(string(text), "\x1b\a\u202e\u009b") {
		t.Errorf("%q, %v", text, err)
	}
}

// A file that exists stays, unless --force is given; --print writes nothing.
func TestImportKeeps(t *testing.T) {
	im, out := imports(t, map[string]string{".ssh/config": importedConfig, "config/profiles/work.toml": "mine"})
	err := im.hosts([]string{"work", "none"})
	if err == nil || !strings.Contains(err.Error(), "work.toml exists") || !strings.Contains(err.Error(), "no Host line of ssh_config names none") {
		t.Error(err)
	}
	file := filepath.Join(im.loader.Dir, "profiles", "work.toml")
	if text, _ := os.ReadFile(file); string(text) != "mine" {
		t.Errorf("%s", text)
	}
	im.print = true
	if err := im.hosts([]string{"work"}); err != nil || !strings.Contains(out.String(), `host = "bastion.example.com" # `) {
		t.Errorf("%v\n%s", err, out)
	}
	if text, _ := os.ReadFile(file); string(text) != "mine" {
		t.Errorf("%s", text)
	}
	im.print, im.force = false, true
	if err := im.hosts([]string{"work"}); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(file); string(text) == "mine" {
		t.Error("not replaced")
	}
	if err := im.hosts([]string{"work"}); err == nil {
		t.Error("two imports wrote one file")
	}
	left, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestImportForSystem(t *testing.T) {
	im, _ := imports(t, map[string]string{".ssh/config": importedConfig})
	im.loader.Env.System = true
	if err := im.hosts([]string{"bad"}); err == nil || !strings.Contains(err.Error(), "server.user: this key is required") {
		t.Error(err)
	}
}

func TestImportPuTTY(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the sessions are in the registry")
	}
	im, out := imports(t, map[string]string{
		".putty/sessions/My%20Box":           "HostName=db\nUserName=eve\nPublicKeyFile=k.ppk\n",
		".putty/sessions/Default%20Settings": "Protocol=ssh\n",
	})
	if err := im.sessions(nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"my-box.toml\n", "PublicKeyFile=k.ppk: a key of PuTTY's own format", "skipped: the session Default Settings names no host\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if err := im.sessions([]string{"none"}); err == nil || err.Error() != `PuTTY has no session "none"` {
		t.Error(err)
	}
	im, _ = imports(t, nil)
	if err := im.sessions(nil); err == nil {
		t.Error("no sessions, and no error")
	}
}
