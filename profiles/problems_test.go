package profiles_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tunneld/profiles"
)

const host = "server.host = 'h'\n"

// problemTests are single files, and all that is said about them, without the
// leading "profiles/lab.toml:".
var problemTests = []struct{ name, text, want string }{
	// Keys.
	{"misspelt key", host + "[[forward.local]]\nlisten = 5432\ntagret = 'db:5432'", `4:1: forward.local[0].tagret: unknown key; did you mean target?`},
	{"misspelt key in an inline table", host + "forward.local = [{ listen = 5432, tagret = 'db:1' }]", `2:35: forward.local[0].tagret: unknown key; did you mean target?`},
	{"misspelt dotted key", "server.hots = 'h'", `1:8: server.hots: unknown key; did you mean host?`},
	{"misspelt table", "[sever]\nhost = 'h'", `1:2: sever: unknown key; did you mean server?`},
	{"misspelt kind", host + "[[forward.lokal]]\nlisten = 1", `2:11: forward.lokal: unknown key; did you mean local?`},
	{"nothing near", host + "\"a b\" = 1", `2:1: "a b": unknown key`},
	{"top-level key in a table", "[server]\nhost = 'h'\nstart = 'always'", "3:1: server.start: unknown key; `start` belongs above the first [table]"},
	{"key of another table", host + "server.keepalive = '1s'", `2:8: server.keepalive: unknown key; it is a key of [link]`},
	{"key of another kind", host + "[[forward.remote]]\nlisten = 1\ntarget = 2\nhold = '1s'", `5:1: forward.remote[0].hold: unknown key; it is a key of [[forward.local]] and [[forward.dynamic]]`},
	{"empty file", "", `1:1: server.host: this key is required`},
	{"missing key in a table", "[server]\nport = 22", `1:2: server.host: this key is required`},
	{"missing keys of a forward", host + "[[forward.local]]", "2:3: forward.local[0].listen: this key is required\n2:3: forward.local[0].target: this key is required"},

	// Types.
	{"integer for a string", "server.host = 1", `1:8: server.host: want a string, got an integer`},
	{"string for an integer", host + "server.port = '22'", `2:8: server.port: want an integer, got a string`},
	{"float for an integer", host + "server.port = 22.0", `2:8: server.port: want an integer, got a float`},
	{"string for a boolean", "enabled = 'yes'\n" + host, `1:1: enabled: want a boolean, got a string`},
	{"date for a string", "description = 2026-01-01\n" + host, `1:1: description: want a string, got a date or time`},
	{"string for a table", "server = 'h'", `1:1: server: want a table, got a string; write [server]`},
	{"table for an array", host + "[forward.local]\nlisten = 1", `2:10: forward.local: want an array of tables, got a table; write [[forward.local]]`},
	{"strings for tables", host + "forward.local = ['x']", `2:18: forward.local[0]: want a table, got a string`},
	{"string for a list", host + "auth.identity_files = 'k'", `2:6: auth.identity_files: want a list of strings, got a string; write ["k"]`},
	{"integer in a list", host + "auth.identity_files = ['/k', 3]", `2:30: auth.identity_files[1]: want a string, got an integer`},
	{"empty item", host + "auth.identity_files = ['']", `2:24: auth.identity_files[0]: must not be empty`},
	{"integer for a duration", host + "link.keepalive = 15", `2:6: link.keepalive: want a duration, got an integer; write it as "15s"`},
	{"boolean for an address", host + "forward.local = [{ listen = true, target = 1 }]", `2:20: forward.local[0].listen: want a port or an address, got a boolean`},
	{"all at once", "server = { host = 1, port = 'x' }\nlink.kex = 1", "1:12: server.host: want a string, got an integer\n1:22: server.port: want an integer, got a string\n2:6: link.kex: want a list of strings, got an integer"},

	// Values.
	{"duration without a unit", host + "link.keepalive = '15'", `2:6: link.keepalive: "15" is not a duration; write it as "500ms", "15s" or "10m"`},
	{"zero keepalive", host + "link.keepalive = '0s'", `2:6: link.keepalive: must be at least 1ms`},
	{"negative hold", host + "forward.local = [{ listen = 1, target = 1, hold = '-1s' }]", `2:44: forward.local[0].hold: must not be negative`},
	{"no misses", host + "link.keepalive_misses = 0", `2:6: link.keepalive_misses: must be at least 1`},
	{"port too high", host + "server.port = 65536", `2:8: server.port: must be at most 65535`},
	{"huge integer", host + "server.port = 9223372036854775807", `2:8: server.port: 9223372036854775807 is out of range`},
	{"reconnect order", host + "[link]\nreconnect_min = '1m'", `3:1: link.reconnect_min: reconnect_min (1m) is more than reconnect_max (30s)`},
	{"reconnect order, the other one written", host + "[link]\nreconnect_max = '100ms'", `3:1: link.reconnect_max: reconnect_min (500ms) is more than reconnect_max (100ms)`},
	{"unknown word", host + "host_key.policy = 'ignore'", `2:10: host_key.policy: "ignore" is not one of strict, accept-new`},
	{"misspelt word", "start = 'mnual'\n" + host, `1:1: start: "mnual" is not one of always, on-demand, manual; did you mean manual?`},
	{"empty host", "server.host = ''", `1:8: server.host: must not be empty`},
	{"host with a space", "server.host = 'a b'", `1:8: server.host: "a b" is not a host`},
	{"host with a user", "server.host = 'ana@h'", `1:8: server.host: "ana@h" is not a host; write the user as server.user`},
	{"host with a port", "server.host = 'h:2222'", `1:8: server.host: "h:2222" is not a host; write server.port = 2222`},
	{"empty user", host + "server.user = ''", `2:8: server.user: must not be empty`},
	{"interface for an address", host + "server.bind_address = 'eth0'", `2:8: server.bind_address: "eth0" is not an IP address`},
	{"fingerprint of the old kind", host + "host_key.fingerprints = ['MD5:aa']", "2:26: host_key.fingerprints[0]: \"MD5:aa\" is not a fingerprint; `ssh-keygen -lf FILE` prints it, as SHA256:..."},
	{"bad jump hosts", host + "server.proxy_jump = ['profile:X', '-x']", "2:22: server.proxy_jump[0]: a name is two or more of a-z 0-9 . _ -, with no - or . first\n2:35: server.proxy_jump[1]: \"-x\" is not a jump host; write profile:NAME or [user@]host[:port]"},
	{"bad proxy", host + "server.proxy = 'ftp://ana:pw@x'", `2:8: server.proxy: not a proxy; write socks5://host:port, http://host:port or command:ARGV`},
	{"password for its source", host + "auth.password = 'hunter2'", `2:6: auth.password: not a source of a secret; write prompt, env:NAME, file:PATH, command:ARGV, credential:NAME or keyring:NAME`},
	{"bad pattern", host + "auth.answer = [{ prompt = '(', value = 'prompt' }]", "2:18: auth.answer[0].prompt: not a regular expression: error parsing regexp: missing closing ): `(`"},
	{"bad forward name", host + "forward.local = [{ name = 'a/b', listen = 1, target = 1 }]", `2:20: forward.local[0].name: "a/b" is not a name; use letters, digits, . _ and -`},
	{"mixed ciphers", host + "link.ciphers = ['aes256-ctr', '+aes128-gcm@openssh.com']", "2:6: link.ciphers: names that replace the defaults stand beside +names that add to them; write all names with + or none"},
	{"misspelt cipher", host + "link.ciphers = ['aes256-crt']", `2:17: link.ciphers[0]: unknown algorithm "aes256-crt"; did you mean aes256-ctr?`},
	{"cipher taken away", host + "link.ciphers = ['-aes256-ctr']", `2:17: link.ciphers[0]: "-aes256-ctr" is not the name of an algorithm; write "name" or "+name"`},

	// Addresses.
	{"IPv6 without brackets", host + "forward.local = [{ listen = '::1:5', target = 1 }]", `2:20: forward.local[0].listen: an IPv6 address stands in brackets, as in [::1]:5432`},
	{"every address", host + "forward.local = [{ listen = ':5', target = 1 }]", `2:20: forward.local[0].listen: every address must be written out, as 0.0.0.0 or [::]`},
	{"no port", host + "forward.local = [{ listen = 'x', target = 1 }]", `2:20: forward.local[0].listen: want host:port or a port`},
	{"port out of range", host + "forward.local = [{ listen = 70000, target = 'h:99999' }]", "2:20: forward.local[0].listen: port \"70000\" is not a number from 0 to 65535\n2:36: forward.local[0].target: port \"99999\" is not a number from 0 to 65535"},
	{"port 0", host + "forward.local = [{ listen = 0, target = 0 }]", "2:20: forward.local[0].listen: port 0 is for the listen address of a remote forward alone\n2:32: forward.local[0].target: port 0 is for the listen address of a remote forward alone"},
	{"socks where it is no target", host + "forward.local = [{ listen = 1, target = 'socks' }]", `2:32: forward.local[0].target: socks is a target of remote forwards alone; want a port, host:port or unix:PATH`},
	{"the same address twice", host + "forward.local = [{ listen = 1, target = 1 }, { listen = '[::1]:1', target = 1, name = 'b' }]", `2:48: forward.local[1].listen: [::1]:1 is taken by the forward local-1 (profiles/lab.toml:2, localhost:1); choose another listen address, or disable one of them`},
	{"the same name twice", host + "forward.local = [{ listen = '10.0.0.1:1', target = 1 }, { listen = '10.0.0.2:1', target = 1 }]", `2:57: forward.local[1].name: the name local-1 is taken by the forward at line 2; give one of them another name`},

	// Jumps.
	{"jump through nothing", host + "server.proxy_jump = ['profile:lba']", `2:22: server.proxy_jump[0]: there is no profile lba; did you mean lab?`},
	{"jump through itself", host + "server.proxy_jump = ['profile:lab', 'gw']", `2:22: server.proxy_jump[0]: the jumps lead in a circle: lab → lab; one of them must reach its server in another way`},
	{"profile that is not the first hop", host + "server.proxy_jump = ['gw', 'profile:lab']", `2:28: server.proxy_jump[1]: a profile can be the first hop alone; write the way to it into that profile`},
	{"ssh_config that is not there", host + "server.ssh_config = '/nowhere/config'", `2:8: server.ssh_config: there is no such file`},

	// Paths and variables.
	{"unset variable", host + "auth.identity_files = ['${NOPE}/key']", `2:24: auth.identity_files[0]: the variable ${NOPE} is not set; set it in the environment of tunneld, or write the value out`},
	{"open variable", host + "auth.identity_files = ['${NOPE/key']", `2:24: auth.identity_files[0]: ${ without }; write ${NAME}`},
	{"variable of Windows", host + `auth.identity_files = ['%APPDATA%\key']`, `2:24: auth.identity_files[0]: %APPDATA% is not expanded; write ${APPDATA}`},
	{"home of another", host + "auth.identity_files = ['~bob/key']", `2:24: auth.identity_files[0]: ~bob/key: only ~/ is expanded; write the home folder out`},
	{"escape that is none", host + `auth.identity_files = ["C:\Users\ana\key"]`, `2:25: expected eight hexadecimal digits after '\U', but got "C:\\Us" instead; backslash is an escape in "..."; write 'C:\Users\ana\key' or C:/Users/ana/key`},
	{"escape that makes a tab", host + `auth.identity_files = ["C:\temp"]`, `2:24: auth.identity_files[0]: a control character (U+0009) in the value; backslash is an escape in "..."; write 'C:\temp' or C:/temp`},
	{"control character in a host", `server.host = "h\n"`, `1:8: server.host: a control character (U+000A) in the value`},

	// Syntax.
	{"no value", "a = \n", `1:5: expected value but found '\n' instead`},
	{"key twice", "a = 'x'\na = 'y'\n", `2:8: Key 'a' has already been defined.`},
	{"not UTF-8", host + "description = '\xff'", `2:16: not UTF-8; save the file in the encoding UTF-8`},
	{"deep keys", strings.Repeat("a.", 200) + "a = 1", `1:202: nested too deeply`},
	{"deep values", "a = " + strings.Repeat("[", 200), `1:105: nested too deeply`},
	{"BOM and CRLF", "\ufeffserver.host = 'h'\r\n\r\nx = 1\r\n", `3:1: x: unknown key; did you mean x11?`},
	{"later schema", "schema = 2\nfoo = 1", `1:1: schema: schema 2 needs a later tunneld`},
	{"schema 0", "schema = 0\n" + host, `1:1: schema: must be at least 1`},

	// Kinds of address.
	{"dynamic", host + "[[forward.dynamic]]\nlisten = 1080", ``},
	{"unix", host + "forward.local = [{ listen = 'unix:s', target = 'unix:/run/s' }]", ``},
	{"socks", host + "forward.remote = [{ listen = 0, target = 'socks' }]", ``},
	{"pipe there", host + "forward.local = [{ listen = 1, target = 'pipe:p' }]", `2:32: forward.local[0].target: pipe: is for an address of this machine alone; want a port, host:port or unix:PATH`},
	{"pipe elsewhere", host + "forward.remote = [{ listen = 1, target = 'pipe:p' }]", `2:33: forward.remote[0].target: named pipes are on Windows alone; write a port, host:port or unix:PATH`},
	{"probe", host + "forward.local = [{ listen = 1, target = 1, probe = '5s' }]", ``},
	{"probe of a dynamic forward", host + "[[forward.dynamic]]\nlisten = 1080\nprobe = '5s'", `4:1: forward.dynamic[0].probe: unknown key; it is a key of [[forward.local]] and [[forward.remote]]`},

	// Programs.
	{"app", host + "[[x11.app]]\nname = 'xterm'\ncommand = 'xterm -ls'", ``},
	{"app without command", host + "[[x11.app]]\nname = 'xterm'", `2:3: x11.app[0].command: this key is required`},
	{"app twice", host + "[[x11.app]]\nname = 'x'\ncommand = 'x'\n[[x11.app]]\nname = 'x'\ncommand = 'y'", `6:1: x11.app[1].name: the name x is taken in this profile; give one of them another name`},
	{"app and forward", host + "[[forward.local]]\nname = 'x'\nlisten = 1\ntarget = 2\n[[x11.app]]\nname = 'x'\ncommand = 'x'", `7:1: x11.app[0].name: the name x is taken in this profile; give one of them another name`},

	{"remote_display", host + "x11.remote_display = 7", ``},
	{"remote_display and a forward", host + "x11.remote_display = 7\nforward.remote = [{ listen = 6007, target = 1 }]", `2:5: x11.remote_display: 127.0.0.1:6007 is taken by the forward remote-6007 (profiles/lab.toml:3, localhost:6007); choose another listen address, or disable one of them`},
	{"remote_display too high", host + "x11.remote_display = 59536", `2:5: x11.remote_display: must be at most 59535`},

	// When it is up.
	{"start", "start = 'manual'\n" + host, ``},
	{"on-demand", "start = 'on-demand'\nidle_timeout = '90s'\n" + host, ``},
	{"idle_timeout", "idle_timeout = '0s'\n" + host, `1:1: idle_timeout: must be at least 1ms`},

	{"shell", host + "shell.env = { A = 'b', 'C D' = 'e' }", "2:24: shell.env.\"C D\": \"C D\" is not the name of a variable"},
}

func TestProblems(t *testing.T) {
	for _, test := range problemTests {
		t.Run(test.name, func(t *testing.T) {
			l := folder(t, map[string]string{"profiles/lab.toml": test.text})
			l.Known = map[string][]string{"ciphers": {"aes128-gcm@openssh.com", "aes256-ctr"}}
			set, problems := l.Load()
			got := strings.TrimPrefix(strings.ReplaceAll("\n"+lines(problems), "\nprofiles/lab.toml:", "\n"), "\n")
			if got != test.want {
				t.Errorf("file:\n%s\ngot:\n%s\nwant:\n%s", test.text, got, test.want)
			}
			if good := set.Len() == 1; good != (test.want == "") {
				t.Errorf("in the set: %v", good)
			}
		})
	}
}

// testdata/every.toml has every key of the schema. Nothing is wrong with
// it.
func TestEveryKey(t *testing.T) {
	text, err := os.ReadFile("testdata/every.toml")
	if err != nil {
		t.Fatal(err)
	}
	_, problems := folder(t, map[string]string{"profiles/edge.toml": smallest}).LoadFile("testdata/every.toml")
	for _, p := range problems {
		t.Error(p)
	}
	for _, k := range profiles.Keys() {
		name := k.Name[strings.LastIndex(k.Name, ".")+1:]
		if !regexp.MustCompile(`(?m)^`+name+` = |[{ ]`+name+` = `).Match(text) && name != "prompt" {
			t.Errorf("%s is not in testdata/every.toml", k.Name)
		}
	}
}

func TestDaemonProblems(t *testing.T) {
	l := folder(t, map[string]string{
		"daemon.toml":       "log_level = 'inof'\nlink.keepalive = '1s'\nwatch = 'no'\n[defaults.server]\nprot = 2222\n[defaults.link]\nreconnect_min = '1m'\nreconnect_max = '1s'\n",
		"profiles/lab.toml": smallest,
		"tunneld.toml":      "",
	})
	set, problems := l.Load()
	want := `daemon.toml:1:1: log_level: "inof" is not one of debug, info, warn, error; did you mean info?
daemon.toml:2:1: link: unknown key; it is a key of [defaults]
daemon.toml:3:1: watch: want a boolean, got a string
daemon.toml:5:1: defaults.server.prot: unknown key; did you mean port?
daemon.toml:7:1: defaults.link.reconnect_min: reconnect_min (1m) is more than reconnect_max (1s)
tunneld.toml: the daemon's settings are read from daemon.toml; rename it`
	if got := lines(problems); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if d, _ := set.Daemon(); d.LogLevel != "info" || names(set) != "lab" {
		t.Errorf("%+v, %s", d, names(set))
	}
}

func TestFileProblems(t *testing.T) {
	l := folder(t, map[string]string{
		"profiles/Lab One.toml": smallest,
		"profiles/x.toml":       smallest,
		"profiles/--help.toml":  smallest,
		"profiles/up.TOML":      smallest,
		"profiles/big.toml":     smallest + strings.Repeat("#\n", 1<<19),
		"profiles/.hidden.toml": "=",
		"profiles/notes.txt":    "=",
		"profiles/ok.toml":      smallest,
	})
	if err := os.MkdirAll(l.Dir+"/profiles/folder.toml", 0o700); err != nil {
		t.Fatal(err)
	}
	set, problems := l.Load()
	want := `profiles/--help.toml: a name is two or more of a-z 0-9 . _ -, with no - or . first; rename it to help
profiles/Lab One.toml: a name is two or more of a-z 0-9 . _ -, with no - or . first; rename it to lab-one
profiles/big.toml: the file is over 1 MiB
profiles/folder.toml: cannot be read: not a regular file
profiles/up.TOML: a name is two or more of a-z 0-9 . _ -, with no - or . first; rename it to up.toml
profiles/x.toml: a name is two or more of a-z 0-9 . _ -, with no - or . first`
	if got := lines(problems); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if names(set) != "ok" {
		t.Error(names(set))
	}
}

// A file may be called anything, and its problem is printed on terminals.
func TestFileNameIsNoEscape(t *testing.T) {
	l := folder(t, nil)
	if err := os.MkdirAll(l.Dir+"/profiles", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.Dir+"/profiles/a\x1b[31mb.toml", nil, 0o600); err != nil {
		t.Skip(err) // this system has no such names
	}
	_, problems := l.Load()
	if got := lines(problems); !strings.HasPrefix(got, "profiles/a [31mb.toml: ") {
		t.Errorf("%q", got)
	}
}

func TestSystemNeedsUser(t *testing.T) {
	l := folder(t, map[string]string{"profiles/lab.toml": "[server]\nhost = 'h'\n"})
	l.Env.System = true
	if _, problems := l.Load(); lines(problems) != "profiles/lab.toml:1:2: server.user: this key is required in system profiles" {
		t.Error(lines(problems))
	}
	write(t, l, "daemon.toml", "defaults.server.user = 'tunnel'\n")
	if p, _ := load(t, l).Profile("lab"); p.Server.User != "tunnel" || p.HostKey.KnownHosts[0] != filepath.Join(l.State, "known_hosts") {
		t.Errorf("%+v", p)
	}
}
