package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tunneld/internal/sshtest"
)

// eachWay runs a test on the profile work: through a daemon, and without one.
func eachWay(t *testing.T, d *sshtest.SSHD, extra string, test func(t *testing.T, p *process)) {
	t.Helper()
	profile := map[string]string{"work": extra + server(d)}
	t.Run("daemon", func(t *testing.T) {
		p := startDaemon(t, profile)
		p.link(0, "work", "up")
		test(t, p)
	})
	t.Run("alone", func(t *testing.T) { test(t, prepareDaemon(t, profile)) })
}

// bare is an sshd whose shells find no startup files.
func bare(t testing.TB, extra ...string) *sshtest.SSHD {
	t.Helper()
	return sshtest.StartSSHD(t, append(extra, "SetEnv HOME="+t.TempDir())...)
}

// remote is a command line that ends where flags do.
func (p *process) remote(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(environment(), "TUNNELD_CONFIG="+p.dir)
	return cmd
}

// runs runs one, and returns what it said.
func (p *process) runs(stdin io.Reader, args ...string) (stdout, stderr string, status int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := p.remote(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestExec(t *testing.T) {
	t.Parallel()
	eachWay(t, bare(t, "AcceptEnv *"), "", func(t *testing.T, p *process) {
		for _, c := range []struct {
			args           []string
			stdout, stderr string
			status         int
		}{
			{[]string{"work", "cat;", "echo", "err", ">&2"}, "in\x00\xff\r\n", "err\n", 0},
			{[]string{"work", "exit", "7"}, "", "", 7},
			{[]string{"work", "exit 255"}, "", "", 255},
			{[]string{"work", "kill", "-KILL", "$$"}, "", "", 137},
			{[]string{"work", "printf", "%s-", "a   b"}, "a-b-", "", 0},
			{[]string{"work", "--", "printf", "%s-", "a   b", "$HOME", "it's", ""}, "a   b-$HOME-it's--", "", 0},
			{[]string{"-e", "A=b c", "work", "echo \"$A\""}, "b c\n", "", 0},
			{[]string{"-e", "none", "-o", "SetEnv=A=x", "work", "echo $A"}, "x\n", "", 0},
			{[]string{"root@work", "echo", "-n", "me"}, "me", "", 0},
			{[]string{"-l", "nobody", "work", "true"}, "", "tunneld: work logs in as root, not as nobody\nhint: leave the user out: the profile has it\n", 255},
			{[]string{"-t", "-t", "work", "tty", ">/dev/null"}, "", "", 0},
		} {
			stdin := "in\x00\xff\r\n"
			if c.args[0] == "-t" {
				stdin = ""
			}
			stdout, stderr, status := p.runs(strings.NewReader(stdin), append([]string{"exec"}, c.args...)...)
			if stdout != c.stdout || stderr != c.stderr || status != c.status {
				t.Errorf("exec %q: %q, %q, %d", c.args, stdout, stderr, status)
			}
		}
		if _, stderr, status := p.runs(nil, "exec", "work", "no-such-command"); status != 127 || !strings.Contains(stderr, "not found") {
			t.Errorf("%d %s", status, stderr)
		}
		if stdout, _, status := p.runs(strings.NewReader("echo $((6*7)); exit 5\n"), "shell", "work"); !strings.HasSuffix(stdout, "42\n") || status != 5 {
			t.Errorf("shell: %q, %d", stdout, status)
		}
	})
}

func TestExecFailures(t *testing.T) {
	d := bare(t)
	for name, c := range map[string]struct {
		text, want, hint string
		args             []string
		status           int
	}{
		"unknown":  {server(d), "unknown_profile: there is no profile", "", []string{"nobody", "true"}, 255},
		"closed":   {server(d) + "shell = { enabled = false }\n", "session_denied: the profile forbids shells", "shell.enabled = true", []string{"work", "true"}, 255},
		"away":     {serverAt(d, freeAddr(t)), "connect_refused", "sshd runs", []string{"work", "true"}, 255},
		"stranger": {strings.Replace(server(d), `alias = "server"`, `alias = "other"`, 1), "host_key_unknown", "tunneld trust work", []string{"work", "true"}, 255},
		"agent":    {server(d), "permission_denied", "auth.forward_agent", []string{"-A", "work", "true"}, 255},
		"nothing":  {server(d), "want a profile and a command", "tunneld exec --help", []string{"work"}, 2},
		"option":   {server(d), "-o Port=3: the profile says how to connect", "--help", []string{"-o", "Port=3", "work", "x"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			p := prepareDaemon(t, map[string]string{"work": c.text})
			stdout, stderr, status := p.runs(nil, append([]string{"exec"}, c.args...)...)
			if status != c.status || stdout != "" || !strings.HasPrefix(stderr, "tunneld: "+c.want) || !strings.Contains(stderr, c.hint) {
				t.Errorf("%d %s", status, stderr)
			}
			if lines := strings.Count(stderr, "\n"); lines > 2 {
				t.Errorf("%d lines: %s", lines, stderr)
			}
		})
	}
}

func TestRsyncAndGit(t *testing.T) {
	t.Parallel()
	eachWay(t, bare(t), "", func(t *testing.T, p *process) {
		dir := t.TempDir()
		there := filepath.Join(dir, "there")
		run := func(name string, args ...string) {
			t.Helper()
			cmd := exec.Command(name, args...)
			cmd.Env = append(environment(), "TUNNELD_CONFIG="+p.dir, "GIT_SSH_COMMAND="+program+" exec",
				"GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s %q: %v\n%s", name, args, err, out)
			}
		}
		run("git", "init", "-q", there)
		run("git", "-C", there, "commit", "-q", "--allow-empty", "-m", "first")
		run("git", "config", "--file", filepath.Join(there, ".git", "config"), "receive.denyCurrentBranch", "ignore")
		run("git", "clone", "-q", "work:"+there, filepath.Join(dir, "clone"))
		run("git", "clone", "-q", "ssh://root@work"+there, filepath.Join(dir, "second"))
		run("git", "-C", filepath.Join(dir, "clone"), "commit", "-q", "--allow-empty", "-m", "second")
		run("git", "-C", filepath.Join(dir, "clone"), "push", "-q", "origin", "HEAD")
		source := filepath.Join(dir, "source")
		if err := os.MkdirAll(source, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(source, "a b'c"), []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
		run("rsync", "-a", "-e", program+" exec", source+"/", "work:"+filepath.Join(dir, "copy"))
		run("rsync", "-a", "-e", program+" exec", "work:"+filepath.Join(dir, "copy")+"/", filepath.Join(dir, "back"))
		if text, err := os.ReadFile(filepath.Join(dir, "back", "a b'c")); string(text) != "text" {
			t.Error(err)
		}
	})
}

func TestSSHProxy(t *testing.T) {
	d, inner := bare(t), bare(t)
	eachWay(t, d, "", func(t *testing.T, p *process) {
		cmd := exec.Command("ssh", "-F", "none", "-i", inner.ClientKey, "-o", "IdentitiesOnly=yes", "-o", "UserKnownHostsFile="+inner.KnownHosts,
			"-o", "ProxyCommand="+program+" ssh-proxy work %h:%p", "-p", strconv.Itoa(inner.Port), inner.User+"@"+inner.Host, "cat; exit 9")
		cmd.Env = append(environment(), "TUNNELD_CONFIG="+p.dir)
		cmd.Stdin = strings.NewReader("through the proxy")
		out, err := cmd.Output()
		if string(out) != "through the proxy" || cmd.ProcessState.ExitCode() != 9 {
			t.Errorf("%q, %v", out, err)
		}
		if _, stderr, status := p.runs(nil, "ssh-proxy", "work", "127.0.0.1:1"); status != 1 || !strings.HasPrefix(stderr, "tunneld: target_refused: ") {
			t.Errorf("%d %s", status, stderr)
		}
	})
}

// A program that a signal does not end is left at the second one.
func TestExecSignals(t *testing.T) {
	eachWay(t, bare(t), "", func(t *testing.T, p *process) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := p.remote(ctx, "exec", "work", "trap '' TERM; echo ready; sleep 1000")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(out, make([]byte, 6)); err != nil {
			t.Fatal(err)
		}
		over := make(chan error, 1)
		go func() { over <- cmd.Wait() }()
		for ended := false; !ended; {
			cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-over:
				ended = true
			case <-time.After(100 * time.Millisecond):
			}
		}
		if got := cmd.ProcessState.ExitCode(); got != 143 {
			t.Errorf("status %d", got)
		}
	})
}
