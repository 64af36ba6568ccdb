package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/crypto/ssh"

	"tunneld/internal/sshtest"
	"tunneld/profiles"
)

// conversation is the program on a terminal of its own.
type conversation struct {
	t      *testing.T
	cmd    *exec.Cmd
	screen *os.File
	over   chan struct{} // closed when nothing more is shown

	mu    sync.Mutex // guards shown
	shown bytes.Buffer
	seen  int // how much of shown is dealt with
}

// converse starts the program with a home folder.
func converse(t *testing.T, home string, env []string, args ...string) *conversation {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+home, "TUNNELD_CONFIG="+filepath.Join(home, "config"), "SSH_AUTH_SOCK=", "DISPLAY=")
	cmd.Env = append(cmd.Env, env...)
	screen, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	c := &conversation{t: t, cmd: cmd, screen: screen, over: make(chan struct{})}
	go c.read()
	t.Cleanup(c.end)
	return c
}

func (c *conversation) read() {
	defer close(c.over)
	buf := make([]byte, 4096)
	for {
		n, err := c.screen.Read(buf)
		c.mu.Lock()
		c.shown.Write(buf[:n])
		c.mu.Unlock()
		if err != nil { // Linux says EIO when the program is over
			return
		}
	}
}

func (c *conversation) end() {
	c.cmd.Process.Kill() // if it is not over yet
	c.cmd.Wait()
	c.screen.Close()
	<-c.over
}

// expect waits for a text behind all that was expected before, and types an answer.
func (c *conversation) expect(text, answer string) {
	c.t.Helper()
	c.see(text)
	fmt.Fprintf(c.screen, "%s\n", answer)
}

func (c *conversation) see(text string) {
	c.t.Helper()
	defer func() {
		if c.t.Failed() {
			c.t.Logf("want %q in\n%s", text, c.all())
		}
	}()
	sshtest.Eventually(c.t, patience, text, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		i := bytes.Index(c.shown.Bytes()[c.seen:], []byte(text))
		if i >= 0 {
			c.seen += i + len(text)
		}
		return i >= 0
	})
}

func (c *conversation) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shown.String()
}

// exit waits for the end, and its status.
func (c *conversation) exit(want int) {
	c.t.Helper()
	<-c.over
	err := c.cmd.Wait()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		c.t.Error(err)
	}
	if got := c.cmd.ProcessState.ExitCode(); got != want {
		c.t.Errorf("exit status %d, want %d\n%s", got, want, c.all())
	}
}

// Init asks for everything, asks again after a mistake, shows the host key and
// connects; what it wrote then works by itself.
func TestInitAsks(t *testing.T) {
	d, echo, home := sshtest.StartSSHD(t), sshtest.Echo(t), t.TempDir()
	local := freeAddr(t)
	c := converse(t, home, nil, "init", "work")
	c.expect("Server, as [user@]host[:port]:", d.User+"@host:port")
	c.see("bad port")
	c.expect("Server, as [user@]host[:port]:", d.Addr)
	c.expect("User on 127.0.0.1 [", "-x")
	c.see("is not a user")
	c.expect("User on 127.0.0.1 [", d.User)
	c.expect("Private key (none was found; ssh-keygen -t ed25519 makes one):", filepath.Join(home, "none"))
	c.see("no such file")
	c.expect("Private key (", home)
	c.see("is a folder")
	c.expect("Private key (", d.ClientKey)
	c.expect("First forward, as 5432:db.internal:5432 (none):", "5432")
	c.see("needs a target")
	c.expect("First forward, as 5432:db.internal:5432 (none):", local+":"+echo.Addr)
	c.see(filepath.Join(home, "config", "profiles", "work.toml"))
	c.expect("Try the connection now? (yes/no)", "yes")
	c.see("shows the host key")
	c.see(ssh.FingerprintSHA256(d.HostKeys[0]))
	c.expect("Is that the fingerprint that the administrator gave you? (yes/no)", "yes")
	c.see("accepted: " + filepath.Join(home, ".ssh", "known_hosts"))
	c.see("stream opened: " + echo.Addr)
	c.see("nothing runs it yet; next: tunneld run")
	c.exit(0)

	l := profiles.Loader{Dir: filepath.Join(home, "config"), Env: profiles.Environment{User: "ana", Home: home}, ReadOnly: true}
	set, problems := l.Load()
	p, _ := set.Profile("work")
	if len(problems) > 0 || p.Server.User != d.User || len(p.Forwards) != 1 || p.Forwards[0].Listen.String() != local {
		t.Errorf("%+v, %v", p, problems)
	}
	if info, err := os.Stat(l.File("work")); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	again := converse(t, home, nil, "trace", "work", "--forwards")
	again.see("stream opened")
	again.exit(0)
}

// Enter takes what stands in brackets; no is no.
func TestInitDefaults(t *testing.T) {
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"id_ed25519": "", "config": "Host work\n  User bob\n"} {
		if err := os.WriteFile(filepath.Join(home, ".ssh", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	agent := sshtest.Agent(t, sshtest.StartSSHD(t).ClientKey)
	c := converse(t, home, []string{"SSH_AUTH_SOCK=" + agent.Socket}, "init", "work", "work")
	c.expect("User on work [bob]:", "")
	c.expect("Private key [id_ed25519, 1 key of the agent]:", "")
	c.expect("First forward", "")
	c.expect("Try the connection now? (yes/no)", "y")
	c.expect("Please type yes or no:", "No")
	c.exit(0)
	text, err := os.ReadFile(filepath.Join(home, "config", "profiles", "work.toml"))
	if err != nil || strings.Contains(string(text), "\nuser") || strings.Contains(string(text), "\nidentity_files") {
		t.Errorf("%v\n%s", err, text)
	}
}

// Ctrl-C at a question ends it: before the file is written nothing is left, and
// then a whole one. An agent that is dead has no keys.
func TestInitInterrupted(t *testing.T) {
	t.Parallel()
	answers := []struct{ question, answer string }{
		{"Server, as", "work.example.com"}, {"User on", ""}, {"Private key (none was found", ""}, {"First forward", ""}, {"Try the connection now?", ""},
	}
	for broken := range answers {
		home := t.TempDir()
		c := converse(t, home, []string{"SSH_AUTH_SOCK=" + filepath.Join(home, "agent")}, "init", "work")
		for _, a := range answers[:broken] {
			c.expect(a.question, a.answer)
		}
		c.see(answers[broken].question)
		fmt.Fprint(c.screen, "\x03")
		c.see("tunneld: interrupted")
		c.exit(exitFailed)
		left, err := filepath.Glob(filepath.Join(home, "config", "profiles", "*"))
		if whole := broken == len(answers)-1; err != nil || (len(left) == 1) != whole || len(left) > 1 {
			t.Errorf("%s: %v is left, %v", answers[broken].question, left, err)
		}
		if hidden, err := filepath.Glob(filepath.Join(home, "config", "profiles", ".*")); err != nil || len(hidden) > 0 {
			t.Error(hidden, err)
		}
	}
}

// Only a display that cannot restrict programs makes trust a question.
func TestInitAsksAboutWindows(t *testing.T) {
	t.Parallel()
	good, open := sshtest.StartXvfb(t), sshtest.StartOpenXvfb(t)
	for _, test := range []struct {
		display         *sshtest.Xvfb
		profile, answer string
		trusted         bool
	}{
		{good, "good", "", false},
		{open, "wary", "no", false},
		{open, "trusting", "yes", true},
	} {
		home := t.TempDir()
		c := converse(t, home, []string{"DISPLAY=" + test.display.Display, "XAUTHORITY=" + test.display.Authority}, "init", test.profile, "ana@host")
		c.expect("Private key", "")
		c.expect("First forward", "")
		if test.answer != "" {
			c.expect("Trust them? (yes/no)", test.answer)
		}
		c.expect("Try the connection now?", "no")
		c.exit(0)
		text, err := os.ReadFile(filepath.Join(home, "config", "profiles", test.profile+".toml"))
		if has := strings.Contains(string(text), "\n[x11]\ntrusted = true"); err != nil || has != test.trusted {
			t.Errorf("%s: %v\n%s", test.profile, err, text)
		}
	}
}

// A machine's profile needs a user and a key of its own.
func TestInitForTheMachine(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	c := converse(t, home, nil, "init", "work", "host", "--system")
	c.expect("User on host:", "")
	c.see("server.user: this key is required in system profiles")
	c.expect("User on host:", "ana")
	c.expect("Private key (ssh-keygen -t ed25519 -N '' -f "+filepath.Join(home, "config", "keys", "work")+" makes one):", "")
	c.expect("First forward", "")
	c.expect("Try the connection now?", "no")
	c.see("nothing runs it yet; next: tunneld service start")
	c.exit(0)
}

// In a script a host key is trusted by its fingerprint alone.
func TestInitConnects(t *testing.T) {
	d, home := sshtest.StartSSHD(t), t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("TUNNELD_CONFIG", filepath.Join(home, "config"))
	shown := ssh.FingerprintSHA256(d.HostKeys[0])
	args := []string{"init", "work", d.User + "@" + d.Addr, "--key", d.ClientKey}
	out, errs, status := command(t, append(args, "--connect")...)
	wants(t, "an unknown key", out, errs, status, 1, "host_key_unknown", shown, "hint: compare it with the administrator, then --force --fingerprint "+shown)
	args = append(args, "--force", "--fingerprint")
	out, errs, status = command(t, append(args, "SHA256:AAAA")...)
	wants(t, "another key", out, errs, status, 1, "the server shows "+shown+", not SHA256:AAAA")
	out, errs, status = command(t, append(args, shown)...)
	wants(t, "the key", out, errs, status, 0, "accepted: ")
	out, errs, status = command(t, append(args, shown)...)
	wants(t, "the key, known by now", out, errs, status, 0, shown)
	out, errs, status = command(t, append(args, "SHA256:AAAA")...)
	wants(t, "another key, and one that is known", out, errs, status, 1, "known_hosts trusts the key that is shown, but it is not SHA256:AAAA\nhint: ask the administrator")
	d.ReplaceHostKeys()
	out, errs, status = command(t, append(args, ssh.FingerprintSHA256(d.HostKeys[0]))...)
	wants(t, "a changed key", out, errs, status, 1, "host_key_changed")
	nobody := freeAddr(t)
	out, errs, status = command(t, "init", "down", nobody, "--connect")
	wants(t, "no server", out, errs, status, 1, "down.toml", "connect_refused")
}

// A bad text can be edited again, or is kept.
func TestEditAgain(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "config", "profiles", "work.toml")
	script := filepath.Join(home, "editor.sh")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		file:   "server.host = \"one\"\n",
		script: "if grep -q hots $1; then sed -i s/hots/host/ $1; else sed -i 's/host = .*/hots = \"two\"/' $1; fi\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	editor := []string{"VISUAL=", "EDITOR=sh " + script}

	c := converse(t, home, editor, "edit", "work")
	c.see("server.hots: unknown key")
	c.expect("Edit again? (yes/no)", "no")
	c.see("stays as it was")
	c.see("hint: mend the lines above; your text is in " + home)
	c.exit(1)
	kept, err := filepath.Glob(filepath.Join(home, "tunneld-edit-*", "work.toml"))
	if err != nil || len(kept) != 1 {
		t.Errorf("kept: %v, %v", kept, err)
	}
	if text, _ := os.ReadFile(file); string(text) != "server.host = \"one\"\n" {
		t.Errorf("%s", text)
	}
	c = converse(t, home, editor, "edit", "work")
	c.see("Edit again? (yes/no)")
	fmt.Fprint(c.screen, "\x03")
	c.see("your text is in " + home)
	c.exit(1)
	c = converse(t, home, editor, "edit", "work")
	c.see("server.hots: unknown key")
	c.expect("Edit again? (yes/no)", "yes")
	c.see(file)
	c.exit(0)
	if text, _ := os.ReadFile(file); string(text) != "server.host = \"two\"\n" {
		t.Errorf("%s", text)
	}
}

// The daemon takes over what a command writes, and only its own folder's.
func TestEditsReachTheDaemon(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	addrs := freeAddrs(t, 2)
	p := startDaemon(t, map[string]string{"work": server(d) + localForward("db", addrs[0], echo.Addr)})
	p.forward(0, "work", "db", "listening")
	mark := p.mark()
	out, errs, status := p.tunneld("", "add", "work", "local", addrs[1], echo.Addr, "--name", "more")
	wants(t, "add", out, errs, status, 0, filepath.Join(p.dir, "profiles", "work.toml")+"\n")
	p.forward(mark, "work", "more", "listening")
	ping(t, dialTCP(t, addrs[1]), "added")
	open := dialTCP(t, addrs[1])
	ping(t, open, "open")
	mark = p.mark()
	out, errs, status = p.tunneld("", "disable", "work/db")
	wants(t, "disable", out, errs, status, 0)
	p.forward(mark, "work", "db", "stopped")
	if c, err := net.Dial("tcp", addrs[0]); err == nil {
		c.Close()
		t.Error("a disabled forward listens")
	}
	ping(t, open, "open still")
	out, errs, status = p.tunneld("", "remove", "work/db")
	wants(t, "remove", out, errs, status, 0)
	ping(t, open, "open still")
}
