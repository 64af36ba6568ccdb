//go:build !windows

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tunneld/internal/sshtest"
)

// With -A, and only then, a program on the server logs in elsewhere with a key
// that is here.
func TestForwardedAgent(t *testing.T) {
	t.Parallel()
	d, inner := bare(t), bare(t)
	agent := sshtest.Agent(t, inner.ClientKey)
	p := prepareDaemon(t, map[string]string{"work": strings.Replace(server(d), `agent = "none"`, `forward_agent = true, agent = "`+agent.Socket+`"`, 1)})
	onward := []string{"work", "--", "ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "UserKnownHostsFile=" + inner.KnownHosts,
		"-p", strconv.Itoa(inner.Port), inner.User + "@" + inner.Host, "echo inner"}
	for _, way := range []func(){func() {}, p.start} { // alone, then through a daemon
		way()
		for _, c := range []struct {
			flag, stdout, stderr string
			status               int
		}{
			{"-A", "inner\n", "", 0},
			{"-T", "", "Permission denied", 255},
			{"-A", "inner\n", "", 0},
		} {
			out, errs, status := p.runs(nil, append([]string{"exec", c.flag}, onward...)...)
			if out != c.stdout || !strings.Contains(errs, c.stderr) || status != c.status {
				t.Errorf("%s: %q, %q, %d", c.flag, out, errs, status)
			}
		}
	}
}

// rsync and git with the options that they hand to ssh.
func TestToolsWithOptions(t *testing.T) {
	t.Parallel()
	eachWay(t, bare(t), "", func(t *testing.T, p *process) {
		dir := t.TempDir()
		run := func(want int, name string, args ...string) {
			t.Helper()
			cmd := exec.CommandContext(t.Context(), name, args...)
			cmd.Env = append(environment(), "TUNNELD_CONFIG="+p.dir, "GIT_SSH_COMMAND="+program+" exec -e none -o SetEnv=A=b", "GIT_CONFIG_GLOBAL=/dev/null",
				"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b", "GIT_PROTOCOL=version=2")
			if out, _ := cmd.CombinedOutput(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != want {
				t.Fatalf("%s %q: %v\n%s", name, args, cmd.ProcessState, out)
			}
		}
		source, there, back := filepath.Join(dir, "it's a source"), filepath.Join(dir, "there $x"), filepath.Join(dir, "back")
		if err := os.Mkdir(source, 0o700); err != nil {
			t.Fatal(err)
		}
		want := bulky(t, filepath.Join(source, "a  b\n'c"), 3<<20)
		rsync := program + " exec -T -e none"
		run(0, "rsync", "-azs", "--delete", "--partial", "-e", rsync, source+"/", "root@work:"+there)
		run(0, "rsync", "-aWs", "--protocol=30", "-e", rsync, "work:"+there+"/", back)
		if got := fileDigest(t, filepath.Join(back, "a  b\n'c")); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if err := os.Remove(filepath.Join(source, "a  b\n'c")); err != nil {
			t.Fatal(err)
		}
		run(0, "rsync", "-azs", "--delete", "-e", rsync, source+"/", "work:"+there)
		if left, err := os.ReadDir(there); err != nil || len(left) > 0 {
			t.Errorf("%v, %v", left, err)
		}
		run(23, "rsync", "-as", "-e", rsync, "work:"+dir+"/none", back)

		repository := filepath.Join(dir, "repository.git")
		run(0, "git", "init", "-q", "--bare", repository)
		clone := filepath.Join(dir, "clone")
		run(0, "git", "-c", "protocol.version=2", "clone", "-q", "work:"+repository, clone)
		bulky(t, filepath.Join(clone, "file"), 3<<20)
		run(0, "git", "-C", clone, "add", "file")
		run(0, "git", "-C", clone, "commit", "-q", "-m", "first")
		run(0, "git", "-C", clone, "push", "-q", "origin", "HEAD")
		run(0, "git", "-C", clone, "fetch", "-4", "-q")
		run(0, "git", "clone", "-q", "--depth=1", "ssh://root@work"+repository, filepath.Join(dir, "second"))
		run(0, "git", "-C", clone, "ls-remote", "--exit-code", "origin", "HEAD")
		run(128, "git", "clone", "-q", "work:"+dir+"/none", filepath.Join(dir, "third"))
	})
}
