package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// tunneld runs a command of the program for the daemon p, with input.
func (p *process) tunneld(input string, args ...string) (stdout, stderr string, status int) {
	p.t.Helper()
	cmd := p.program(args...)
	cmd.Stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	timer := time.AfterFunc(2*patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// wants fails the test unless a command ended as it should.
func wants(t *testing.T, what string, gotOut, gotErr string, got, status int, words ...string) {
	t.Helper()
	if got != status {
		t.Errorf("%s: exit status %d, want %d\n%s%s", what, got, status, gotOut, gotErr)
	}
	for _, w := range words {
		if !strings.Contains(gotOut+gotErr, w) {
			t.Errorf("%s: no %q in\n%s%s", what, w, gotOut, gotErr)
		}
	}
}

// An unknown host waits for trust, from any terminal; a changed one for more.
func TestTrust(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	known, local := filepath.Join(t.TempDir(), "known_hosts"), freeAddr(t)
	text := strings.Replace(server(d), d.KnownHosts+".alias", known, 1) + localForward("db", local, echo.Addr)
	p := startDaemon(t, map[string]string{"work": text})
	p.link(0, "work", "blocked")
	shown := ssh.FingerprintSHA256(d.HostKeys[0])
	out, errs, status := p.tunneld("", "status")
	wants(t, "status", out, errs, status, 3, "blocked", "host_key_unknown", shown, "tunneld trust work")
	out, errs, status = p.tunneld("", "trust", "work")
	wants(t, "trust without a terminal", out, errs, status, 1, shown, "--fingerprint")
	out, errs, status = p.tunneld("", "trust", "work", "--fingerprint", "SHA256:AAAA")
	wants(t, "trust in another key", out, errs, status, 1, shown, "not SHA256:AAAA")
	mark := p.mark()
	out, errs, status = p.tunneld("", "trust", "work", "--fingerprint", shown)
	wants(t, "trust", out, errs, status, 0, "accepted")
	p.link(mark, "work", "up")
	ping(t, dialTCP(t, local), "trusted")
	if data, err := os.ReadFile(known); err != nil || !strings.HasPrefix(string(data), "|1|") || strings.Count(string(data), "\n") != 1 {
		t.Errorf("known_hosts: %q, %v", data, err)
	}
	out, errs, status = p.tunneld("", "trust", "work")
	wants(t, "trust in what is trusted", out, errs, status, 1, "waits with no host key")

	mark = p.mark()
	d.ReplaceHostKeys()
	d.KillConnections()
	p.link(mark, "work", "refused")
	changed := ssh.FingerprintSHA256(d.HostKeys[0])
	out, errs, status = p.tunneld("", "trust", "work", "--fingerprint", changed)
	wants(t, "trust in a changed key", out, errs, status, 1, known+":1", shown, changed, "--replace --fingerprint "+changed)
	mark = p.mark()
	out, errs, status = p.tunneld("", "trust", "work", "--replace", "--fingerprint", changed)
	wants(t, "trust --replace", out, errs, status, 0, "accepted")
	p.link(mark, "work", "up")
	ping(t, dialTCP(t, local), "trusted again")
}

// A locked key waits for its passphrase, which is nowhere to be found later.
func TestUnlock(t *testing.T) {
	t.Parallel()
	const passphrase = "correct horse battery"
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	if out, err := exec.Command("ssh-keygen", "-q", "-p", "-a", "1", "-P", "", "-N", passphrase, "-f", d.ClientKey).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	local := freeAddr(t)
	p := startDaemon(t, map[string]string{"work": server(d) + localForward("db", local, echo.Addr)})
	p.link(0, "work", "blocked")
	sshtest.Eventually(t, patience, "no connection while it waits", func() bool { return d.Connections() == 0 })
	out, errs, status := p.tunneld("", "unlock", "work")
	wants(t, "unlock without a terminal", out, errs, status, 1, "--stdin")
	out, errs, status = p.tunneld("wrong\n", "unlock", "work", "--stdin")
	wants(t, "unlock with a wrong passphrase", out, errs, status, 1)
	out, errs, status = p.tunneld("wrong\nwrong\n"+passphrase+"\n", "unlock", "work", "--stdin")
	wants(t, "unlock with three wrong ones", out, errs, status, 1, "3 passphrases did not open the key", "hint: ", "tunneld unlock work")
	out, errs, status = p.tunneld(passphrase+"\n", "unlock", "work", "--stdin")
	wants(t, "unlock", out, errs, status, 0, "work is up")
	ping(t, dialTCP(t, local), "unlocked")
	mark := p.mark()
	d.KillConnections()
	p.link(mark, "work", "up") // asks nobody again
	out, errs, status = p.tunneld("", "unlock", "work")
	wants(t, "unlock what is up", out, errs, status, 0, "work is up")
	all, _, _ := p.tunneld("", "status", "--json")
	for place, text := range map[string]string{"log": p.log(), "status": all} {
		if strings.Contains(text, passphrase) {
			t.Errorf("the passphrase stands in the %s", place)
		}
	}
}

// Stored passphrases: each place, and no secret in the log or in the
// environment of the programs that print another.
func TestStoredPassphrases(t *testing.T) {
	const passphrase = "stored-and-secret"
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	if out, err := exec.Command("ssh-keygen", "-q", "-p", "-a", "1", "-P", "", "-N", passphrase, "-f", d.ClientKey).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dir := t.TempDir()
	file, seen := filepath.Join(dir, "passphrase"), filepath.Join(dir, "environment")
	if err := os.WriteFile(file, []byte(passphrase+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("WORK_PASSPHRASE", passphrase)
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	with := func(where string) string {
		return strings.Replace(server(d), `agent = "none"`, fmt.Sprintf(`agent = "none", passphrase = %q`, where), 1) + localForward("db", freeAddr(t), echo.Addr)
	}
	p := startDaemon(t, map[string]string{
		"env":        with("env:WORK_PASSPHRASE"),
		"file":       with("file:" + file),
		"credential": with("credential:passphrase"),
		"command":    with(fmt.Sprintf("command:sh -c 'env > %s; cat %s'", seen, file)),
		"wrong":      with("command:echo nonsense"),
		"hanging":    with("command:sleep 1000"),
	})
	for _, name := range []string{"env", "file", "credential", "command"} {
		p.link(0, name, "up")
	}
	if e := p.link(0, "wrong", "refused"); e.Code != fault.BadPassphrase {
		t.Errorf("event %+v", e)
	}
	if e := p.await(0, "the hanging command's end", func(e control.Event) bool { return e.Profile == "hanging" && e.Code != "" }); e.Hint == "" {
		t.Errorf("event %+v", e)
	}
	environment, err := os.ReadFile(seen)
	if err != nil || !strings.Contains(string(environment), "PATH=") || strings.Contains(string(environment), passphrase) {
		t.Errorf("the command saw %q, %v", environment, err)
	}
	if strings.Contains(p.log(), passphrase) {
		t.Error("the passphrase stands in the log")
	}
}

// A profile goes through another profile's link, and through a plain host.
func TestJumps(t *testing.T) {
	t.Parallel()
	edge, inner, echo := sshtest.StartSSHD(t), sshtest.StartSSHD(t), sshtest.Echo(t)
	shared, plain := freeAddr(t), freeAddr(t)
	through := func(hop string) string {
		known := filepath.Join(t.TempDir(), "known_hosts")
		a, _ := os.ReadFile(edge.KnownHosts)
		b, _ := os.ReadFile(inner.KnownHosts)
		if err := os.WriteFile(known, append(a, b...), 0o600); err != nil {
			t.Fatal(err)
		}
		both := filepath.Join(t.TempDir(), "keys")
		os.WriteFile(both, nil, 0o600)
		return fmt.Sprintf("server = { host = %q, port = %d, user = %q, proxy_jump = [%q] }\nauth = { identity_files = [%q, %q], agent = 'none' }\n"+
			"host_key.known_hosts = [%q]\nlink = { keepalive = '500ms', keepalive_misses = 2, reconnect_min = '50ms', reconnect_max = '300ms' }\n",
			inner.Host, inner.Port, inner.User, hop, edge.ClientKey, inner.ClientKey, known)
	}
	p := startDaemon(t, map[string]string{
		"edge":   server(edge),
		"shared": through("profile:edge") + localForward("db", shared, echo.Addr),
		"plain":  through(fmt.Sprintf("%s@%s", edge.User, edge.Addr)) + localForward("db", plain, echo.Addr),
	})
	p.link(0, "shared", "up")
	p.link(0, "plain", "up")
	ping(t, dialTCP(t, shared), "through a profile")
	ping(t, dialTCP(t, plain), "through a host")
	if n := strings.Count(edge.Log(), "Accepted publickey"); n != 2 {
		t.Errorf("%d logins at the edge, want one of its own profile and one of the plain hop", n)
	}
	mark := p.mark()
	edge.KillConnections()
	p.link(mark, "shared", "up")
	p.link(mark, "plain", "up")
	ping(t, dialTCP(t, shared), "again through a profile")
	ping(t, dialTCP(t, plain), "again through a host")
	mark = p.mark()
	edge.Stop()
	p.await(mark, "the hop's own code", func(e control.Event) bool {
		return e.Profile == "plain" && e.Code == fault.JumpFailed && strings.Contains(e.Detail, edge.Addr) && strings.Contains(e.Detail, "connect_refused")
	})
	p.await(mark, "the hop's name", func(e control.Event) bool {
		return e.Profile == "shared" && e.Code == fault.JumpFailed && strings.Contains(e.Detail, "profile edge")
	})
	mark = p.mark()
	edge.Start()
	p.link(mark, "plain", "up")
	p.link(mark, "shared", "up")
}

// Nobody reads the log, or its reader goes away: tunnels go on, and the daemon
// ends when it is told to.
func TestLogThatNobodyReads(t *testing.T) {
	t.Parallel()
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	for _, gone := range []bool{false, true} {
		local := freeAddr(t)
		p := &process{t: t, dir: t.TempDir(), exited: make(chan struct{})}
		p.write("daemon.toml", daemonTOML)
		p.profile("work", server(d)+localForward("db", local, echo.Addr))
		p.write("profiles/bad.toml", "nonsense")
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p.cmd = exec.Command(program, "run", "--config", p.dir)
		p.cmd.Stderr = write
		if err := p.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		write.Close()
		go func() { p.err = p.cmd.Wait(); close(p.exited) }()
		t.Cleanup(p.end)
		if gone {
			read.Close()
		} else {
			defer read.Close()
		}
		sshtest.Eventually(t, patience, "the forward", func() bool {
			c, err := net.Dial("tcp", local)
			if err != nil {
				return false
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			return tryPing(c, "up") == nil
		})
		for range 300 { // more than a pipe holds
			p.tunneld("", "reload")
			if gone {
				break
			}
		}
		d.KillConnections()
		ping(t, dialTCP(t, local), "after a kill")
		if err := p.stop(); err != nil {
			t.Errorf("exit: %v", err)
		}
	}
}

// A broken algorithm must be named, works then, and is a warning in status.
func TestBrokenAlgorithmWarns(t *testing.T) {
	d := sshtest.StartSSHD(t, "MACs hmac-sha1", "Ciphers aes128-ctr")
	with := func(macs string) string {
		return strings.Replace(server(d), "link = {", "link = { macs = ["+macs+"],", 1)
	}
	p := startDaemon(t, map[string]string{"strict": with(""), "lenient": with(`"+hmac-sha1"`)})
	if e := p.link(0, "strict", "refused"); e.Code != fault.NoCommonAlgorithm || !strings.Contains(e.Detail, "hmac-sha1") ||
		!strings.Contains(e.Detail, "hmac-sha2-256") || !strings.Contains(e.Hint, `macs = ["+hmac-sha1"]`) {
		t.Errorf("event %+v", e)
	}
	p.link(0, "lenient", "up")
	out, errs, status := p.tunneld("", "status", "lenient")
	wants(t, "status", out, errs, status, 0, "warning: hmac-sha1 is broken")
	out, errs, status = p.tunneld("", "trace", "lenient")
	wants(t, "trace", out, errs, status, 0, "server offers: macs hmac-sha1", "we offer: macs ")
}

// Nothing of the daemon's memory ends in a core file, and nobody else reads what
// it writes.
func TestNoCoreDumpAndNoWideFile(t *testing.T) {
	p := prepareDaemon(t, nil)
	p.command = func(args ...string) *exec.Cmd {
		cmd := exec.Command("sh", append([]string{"-c", `ulimit -c unlimited; umask 0; exec "$@"`, "sh", program}, append(args, "--config", p.dir)...)...)
		cmd.Env = environment()
		return cmd
	}
	p.start()
	p.await(0, "the start", func(e control.Event) bool { return e.Message == "started" })
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil || !strings.Contains(string(status), "Umask:\t0077\n") {
		t.Errorf("%v, no umask 0077 in\n%s", err, status)
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(limits)) {
		if f := strings.Fields(line); strings.HasPrefix(line, "Max core file size") && (f[4] != "0" || f[5] != "0") {
			t.Error(line)
		}
	}
}

// A secret goes into the daemon's own keyring, a profile reads it from there,
// and it can be removed: with a real Secret Service on a bus of its own.
func TestSecretInTheKeyring(t *testing.T) {
	const passphrase = "kept-in-the-keyring"
	d := sshtest.StartSSHD(t)
	if out, err := exec.Command("ssh-keygen", "-q", "-p", "-a", "1", "-P", "", "-N", passphrase, "-f", d.ClientKey).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_DATA_HOME", filepath.Join(home, "data"))
	t.Setenv("XDG_RUNTIME_DIR", home)
	bus := exec.Command("dbus-run-session", "--", "sh", "-c",
		"echo unlock | gnome-keyring-daemon --unlock --components=secrets >/dev/null; echo $DBUS_SESSION_BUS_ADDRESS; exec cat")
	hold, err := bus.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := bus.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hold.Close(); bus.Wait() })
	address, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", strings.TrimSpace(address))
	text := strings.Replace(server(d), `agent = "none"`, `agent = "none", passphrase = "keyring:work"`, 1)
	p := startDaemon(t, map[string]string{"work": text})
	e := p.await(0, "a keyring without it", func(e control.Event) bool { return e.Profile == "work" && e.Code != "" })
	if !strings.Contains(e.Detail, "keyring") || e.Hint == "" {
		t.Errorf("event %+v", e)
	}
	out, errs, status := p.tunneld(passphrase+"\n", "secret", "set", "work")
	wants(t, "secret set", out, errs, status, 0, "keyring:work")
	mark := p.mark()
	p.reload("work", strings.Replace(text, `keepalive = "500ms"`, `keepalive = "600ms"`, 1))
	p.link(mark, "work", "up")
	out, errs, status = p.tunneld("", "secret", "remove", "work")
	wants(t, "secret remove", out, errs, status, 0)
	out, errs, status = p.tunneld("", "secret", "remove", "work")
	wants(t, "secret remove again", out, errs, status, 1, "keyring has no work")
	if strings.Contains(p.log(), passphrase) {
		t.Error("the passphrase stands in the log")
	}
}
