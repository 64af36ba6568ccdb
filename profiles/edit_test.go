package profiles_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"tunneld/fault"
	"tunneld/internal/sshtest"
	"tunneld/profiles"
)

func set(key, value string) func([]byte) ([]byte, error) {
	return func(text []byte) ([]byte, error) { return profiles.SetKey(text, key, value) }
}

func removeKey(key string) func([]byte) ([]byte, error) {
	return func(text []byte) ([]byte, error) { return profiles.RemoveKey(text, key) }
}

func appendForward(kind profiles.Kind, name, listen, target string) func([]byte) ([]byte, error) {
	return func(text []byte) ([]byte, error) {
		f := profiles.Forward{Kind: kind, Name: name}
		var err error
		if f.Listen, err = profiles.ParseAddress(listen); err != nil {
			return nil, err
		}
		if target != "" {
			if f.Target, err = profiles.ParseAddress(target); err != nil {
				return nil, err
			}
		}
		return profiles.AppendForward(text, f)
	}
}

var addDB = appendForward(profiles.Local, "db", "5432", "db:5432")

var editTests = []struct {
	name     string
	edit     func([]byte) ([]byte, error)
	old, new string
}{
	{"a value", set("enabled", "false"),
		"# top\nenabled  =  true # why\n\n[server]\n", "# top\nenabled  =  false # why\n\n[server]\n"},
	{"a quoted key", set("enabled", "false"), "\"en\\u0061bled\" = true\n", "\"en\\u0061bled\" = false\n"},
	{"a string that looks like keys", set("enabled", "false"),
		"description = '''\n# x\nenabled = true'''\nenabled=true", "description = '''\n# x\nenabled = true'''\nenabled=false"},
	{"a new key in the root", set("enabled", "false"),
		"server.host = \"h\"\n\n# forwards\n[[forward.local]]\n", "server.host = \"h\"\nenabled = false\n\n# forwards\n[[forward.local]]\n"},
	{"a root without keys", set("enabled", "false"),
		"\n# the server\n[server]\n", "\nenabled = false\n\n# the server\n[server]\n"},
	{"a title", set("enabled", "false"),
		"# the title\n[server]\n", "# the title\nenabled = false\n\n[server]\n"},
	{"an empty file", set("enabled", "false"), "", "enabled = false\n"},
	{"a file without an end", set("enabled", "false"), "schema = 1", "schema = 1\nenabled = false"},
	{"Windows", set("enabled", "false"), "\ufeffschema = 1\r\n[server]\r\n", "\ufeffschema = 1\r\nenabled = false\r\n[server]\r\n"},
	{"a table", set("server.port", "22"), "[server]\n  host = 'h' # x\n\n# y\n[auth]\n", "[server]\n  host = 'h' # x\n  port = 22\n\n# y\n[auth]\n"},
	{"an empty table", set("server.port", "22"), "[server] # s\n[auth]\n", "[server] # s\nport = 22\n[auth]\n"},
	{"a dotted table", set("server.port", "22"), "server.host = 'h'\nschema = 1\n", "server.host = 'h'\nserver.port = 22\nschema = 1\n"},
	{"an inline table", set("server.port", "22"), "server = { host = '}' } # s\n", "server = { host = '}', port = 22 } # s\n"},
	{"an empty inline table", set("server.port", "22"), "server = {}\n", "server = { port = 22 }\n"},
	{"a long inline table", set("server.port", "22"), "server = {\n  host = 'h', # h\n}\n", "server = {\n  host = 'h', port = 22, # h\n}\n"},
	{"no table", set("server.port", "22"), "schema = 1\n", "schema = 1\n\n[server]\nport = 22\n"},
	{"below an inline table", set("shell.env.A", "'b'"), "shell = { enabled = true }\n", "shell = { enabled = true, env.A = 'b' }\n"},
	{"the second forward", set("forward.local[1].enabled", "false"),
		"[[forward.local]]\nlisten = 1\n\n[[forward.local]]\nlisten = 2 # two\n\n[[forward.remote]]\nlisten = 3\n",
		"[[forward.local]]\nlisten = 1\n\n[[forward.local]]\nlisten = 2 # two\nenabled = false\n\n[[forward.remote]]\nlisten = 3\n"},
	{"the second inline forward", set("forward.local[1].enabled", "false"),
		"forward.local = [\n  { listen = 1 },\n  { listen = 2 } # ]\n]\n", "forward.local = [\n  { listen = 1 },\n  { listen = 2, enabled = false } # ]\n]\n"},

	{"add to nothing", addDB, "[server]\nhost = 'h'\n", "[server]\nhost = 'h'\n\n[[forward.local]]\nname = \"db\"\nlisten = 5432\ntarget = \"db:5432\"\n"},
	{"add the default name", appendForward(profiles.Local, "local-1", "localhost:1", "a:1"), "", "[[forward.local]]\nlisten = 1\ntarget = \"a:1\"\n"},
	{"add behind others", appendForward(profiles.Remote, "", "0.0.0.0:1", "2"),
		"[[forward.remote]] # r\n  listen = 3\n  # hold\n\n# l\n[[forward.local]]\nlisten = 4\n",
		"[[forward.remote]] # r\n  listen = 3\n  # hold\n\n[[forward.remote]]\n  listen = \"0.0.0.0:1\"\n  target = 2\n\n# l\n[[forward.local]]\nlisten = 4\n"},
	{"add behind other kinds", appendForward(profiles.Dynamic, "", "1080", ""),
		"[[forward.local]]\nlisten = 4\n# l\n[link]\n", "[[forward.local]]\nlisten = 4\n\n[[forward.dynamic]]\nlisten = 1080\n\n# l\n[link]\n"},
	{"add to an array", appendForward(profiles.Local, "", "2", "b:2"),
		"forward.local = [{ listen = 1 }] # f\n", "forward.local = [{ listen = 1 }, { listen = 2, target = \"b:2\" }] # f\n"},
	{"add to an empty array", appendForward(profiles.Dynamic, "", "2", ""), "forward.dynamic = []\n", "forward.dynamic = [{ listen = 2 }]\n"},
	{"add to a long array", appendForward(profiles.Dynamic, "", "2", ""),
		"forward.dynamic = [\n\t{ listen = 1 } # one\n]\n", "forward.dynamic = [\n\t{ listen = 1 }, # one\n\t{ listen = 2 }\n]\n"},
	{"add to a long array with commas", appendForward(profiles.Dynamic, "", "2", ""),
		"forward.dynamic = [\r\n\t{ listen = 1 }, # one\r\n\t# more\r\n]\r\n", "forward.dynamic = [\r\n\t{ listen = 1 }, # one\r\n\t{ listen = 2 },\r\n\t# more\r\n]\r\n"},
	{"add to a crooked array", appendForward(profiles.Dynamic, "", "2", ""),
		"forward.dynamic = [\n  { listen = 1 }]\n", "forward.dynamic = [\n  { listen = 1 },\n  { listen = 2 }]\n"},
	{"add beside an array", appendForward(profiles.Dynamic, "", "2", ""),
		"forward.local = [{ listen = 1 }]\n[link]\n", "forward.local = [{ listen = 1 }]\nforward.dynamic = [{ listen = 2 }]\n[link]\n"},
	{"add to a table of arrays", appendForward(profiles.Dynamic, "", "2", ""),
		"forward = { local = [{ listen = 1 }] }\n", "forward = { local = [{ listen = 1 }], dynamic = [{ listen = 2 }] }\n"},

	{"remove a key", removeKey("server.port"), "[server]\n# the port\nport = 22 # ssh\nhost = 'h'\n", "[server]\n# the port\nhost = 'h'\n"},
	{"remove the first forward", removeKey("forward.local[0]"),
		"[server]\nhost = 'h'\n\n# one\n[[forward.local]]\nlisten = 1\n# end of one\n\n# two\n[[forward.local]]\nlisten = 2\n",
		"[server]\nhost = 'h'\n\n# two\n[[forward.local]]\nlisten = 2\n"},
	{"remove the last forward", removeKey("forward.local[1]"),
		"[[forward.local]]\nlisten = 1\n\n# two\n[[forward.local]]\nlisten = 2\n# of two\n\n# the end\n",
		"[[forward.local]]\nlisten = 1\n\n# the end\n"},
	{"remove without blank lines", removeKey("forward.local[0]"),
		"# title\n[[forward.local]]\nlisten = 1\n# two\n[[forward.local]]\nlisten = 2\n", "# title\n# two\n[[forward.local]]\nlisten = 2\n"},
	{"remove the only forward", removeKey("forward.local[0]"), "[[forward.local]]\nlisten = 1\n\n[server]\nhost = 'h'", "[server]\nhost = 'h'"},
	{"remove what a string precedes", removeKey("forward.local[0]"), "a = '''\n# b'''\n[[forward.local]]\n", "a = '''\n# b'''\n"},
	{"remove the first item", removeKey("forward.local[0]"), "forward.local = [{ listen = 1 }, { listen = 2 }]\n", "forward.local = [{ listen = 2 }]\n"},
	{"remove the last item", removeKey("forward.local[1]"), "forward.local = [{ listen = 1 }, { listen = 2 }]\n", "forward.local = [{ listen = 1 }]\n"},
	{"remove the only item", removeKey("forward.local[0]"), "forward.local = [ { listen = 1 }, ] # f\n", "forward.local = [] # f\n"},
	{"remove a line of an array", removeKey("forward.local[1]"),
		"forward.local = [ # [\n  { listen = 1 }, # one\n  # about two\n  { listen = 2 }, # two\n  { listen = 3 }\n]\n",
		"forward.local = [ # [\n  { listen = 1 }, # one\n  { listen = 3 }\n]\n"},
	{"remove the last line of an array", removeKey("forward.local[1]"),
		"forward.local = [\n  { listen = 1 },\n  { listen = 2 } # two\n]\n", "forward.local = [\n  { listen = 1 },\n]\n"},
	{"remove where commas lead", removeKey("forward.local[0]"),
		"forward.local = [\n  { listen = 1 }\n, { listen = 2 }\n]\n", "forward.local = [\n  { listen = 2 }\n]\n"},
	{"remove from an inline table", removeKey("server.port"), "server = { host = 'h', port = 22 }\n", "server = { host = 'h' }\n"},
}

func TestEdits(t *testing.T) {
	for _, test := range editTests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.edit([]byte(test.old))
			if err != nil || string(got) != test.new {
				t.Errorf("%v\ngot:\n%s\nwant:\n%s", err, got, test.new)
			}
		})
	}
}

func TestEditsThatCannotBe(t *testing.T) {
	for name, test := range map[string]struct {
		edit func([]byte) ([]byte, error)
		text string
	}{
		"two values":    {set("enabled", "true\nschema = 1"), ""},
		"half a value":  {set("enabled", "["), ""},
		"a comment":     {set("enabled", "true # so"), ""},
		"a table":       {set("server", "1"), "[server]\n"},
		"no item":       {set("forward.local[1].enabled", "true"), "[[forward.local]]\n"},
		"no TOML":       {set("enabled", "true"), "["},
		"nothing there": {removeKey("server.port"), "[server]\n"},
		"many places":   {removeKey("forward"), "forward.remote = []\n[[forward.local]]\n"},
		"a scalar":      {set("server.port", "1"), "server = 1\n"},
	} {
		if got, err := test.edit([]byte(test.text)); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
}

const twoForwards = `# work
server.host = "bastion.example.com" # the bastion

[[forward.local]]
listen = 5432
target = "db:5432"

[[forward.remote]]
name = "hook"
listen = 8080
target = 3000
`

func TestApply(t *testing.T) {
	l := folder(t, map[string]string{"profiles/work.toml": twoForwards})
	file := l.File("work")
	for _, step := range []struct {
		edit profiles.Edit
		want string // of the text, "" for no change
	}{
		{profiles.SetEnabled("", true), ""},
		{profiles.SetEnabled("", false), "enabled = false\n"},
		{profiles.SetEnabled("", true), "enabled = true\n"},
		{profiles.SetEnabled("hook", false), "target = 3000\nenabled = false\n"},
		{profiles.AddForward(profiles.Forward{Kind: profiles.Local, Listen: profiles.Address{Network: profiles.TCP, Host: "localhost", Port: 1}, Target: profiles.Address{Network: profiles.TCP, Host: "a", Port: 1}}),
			"\n\n[[forward.local]]\nlisten = 1\ntarget = \"a:1\"\n\n[["},
		{profiles.RemoveForward("local-5432"), "\n\n[[forward.local]]\nlisten = 1\n"},
	} {
		changed, err := l.Apply("work", step.edit)
		text, _ := os.ReadFile(file)
		if err != nil || changed != (step.want != "") || !strings.Contains(string(text), step.want) {
			t.Errorf("want %q: %v, %v\n%s", step.want, changed, err, text)
		}
	}
	if p, _ := load(t, l).Profile("work"); len(p.Forwards) != 2 || p.Forwards[0].Name != "local-1" || p.Forwards[1].Enabled {
		t.Errorf("%+v", p.Forwards)
	}
}

// What would not be good is not written, and says why.
func TestApplyRefuses(t *testing.T) {
	l := folder(t, map[string]string{
		"profiles/work.toml":  twoForwards,
		"profiles/aaa.toml":   "server.host = \"h1\"\nforward.local = [{ listen = 1, target = \"a:1\" }]\n",
		"profiles/sleep.toml": "enabled = false\n" + twoForwards,
		"profiles/bad.toml":   "enabled = 1\n",
	})
	port := func(n int) profiles.Edit {
		a := profiles.Address{Network: profiles.TCP, Host: "localhost", Port: n}
		return profiles.AddForward(profiles.Forward{Kind: profiles.Local, Listen: a, Target: a})
	}
	for _, test := range []struct {
		profile string
		edit    profiles.Edit
		code    fault.Code
		want    string
	}{
		{"work", port(5432), fault.BadProfile, "forward.local[1].name: the name local-5432 is taken"},
		{"aaa", port(8080), "", ""},
		{"aaa", port(5432), fault.BadProfile, "profiles/aaa.toml:2:"},
		{"sleep", profiles.SetEnabled("", true), fault.BadProfile, "is taken by the forward local-5432 (profiles/work.toml:5"},
		{"bad", profiles.SetEnabled("", false), fault.BadProfile, "profiles/bad.toml:1:1: enabled: "},
		{"work", profiles.RemoveForward("none"), fault.UnknownProfile, `work has no forward "none"`},
		{"none", profiles.SetEnabled("", true), fault.UnknownProfile, `there is no profile "none"`},
		{"../profiles/work", profiles.SetEnabled("", true), fault.UnknownProfile, "there is no profile"},
	} {
		before, _ := os.ReadFile(l.File(test.profile))
		_, err := l.Apply(test.profile, test.edit)
		after, _ := os.ReadFile(l.File(test.profile))
		if test.code == "" && err == nil {
			continue
		}
		if err == nil || fault.CodeOf(err) != test.code || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s %s", test.profile, err, test.code, test.want)
		}
		if string(before) != string(after) {
			t.Errorf("%s was written:\n%s", test.profile, after)
		}
	}
}

// A link stays a link, and its file keeps its mode.
func TestReplaceFile(t *testing.T) {
	sshtest.NeedUnix(t, "links for everybody")
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real", "a.toml"), filepath.Join(dir, "a.toml")
	if err := profiles.CreateFile(real, []byte("old")); err != nil {
		t.Fatal(err)
	}
	if err := profiles.CreateFile(real, nil); !os.IsExist(err) {
		t.Error(err)
	}
	unix := runtime.GOOS != "windows"
	if info, err := os.Stat(real); err != nil || (unix && info.Mode().Perm() != 0o600) {
		t.Error(info, err)
	}
	if err := os.Chmod(real, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("real", "a.toml"), link); err != nil && unix {
		t.Fatal(err)
	} else if err != nil {
		link = real // it takes a privilege
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(real, 1234, 1235); err != nil {
			t.Fatal(err)
		}
	}
	if err := profiles.ReplaceFile(link, []byte("old"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	if err := profiles.ReplaceFile(link, []byte("old"), []byte("newer")); err == nil || !strings.Contains(err.Error(), "changed by somebody else") {
		t.Error(err)
	}
	text, err := os.ReadFile(real)
	info, _ := os.Stat(real)
	if err != nil || string(text) != "new" || (unix && info.Mode().Perm() != 0o640) {
		t.Errorf("%s, %v, %v", text, info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || (unix && info.Mode()&os.ModeSymlink == 0) {
		t.Error(info, err)
	}
	checkOwner(t, real)
	if left, err := os.ReadDir(filepath.Dir(real)); err != nil || len(left) != 1 {
		t.Error(left, err)
	}
}
