package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/spf13/cobra"

	"tunneld/internal/sshtest"
)

// completed is what the shells are told for a command line.
func completed(t *testing.T, env []string, words ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, append([]string{"__complete"}, words...)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[:len(lines)-1] // without the directive
}

// The daemon tells the names, also of what is in no folder of ours; one that
// does not answer is not waited for.
func TestCompletionAsksTheDaemon(t *testing.T) {
	t.Parallel()
	d := sshtest.StartSSHD(t)
	p := startDaemon(t, map[string]string{"work": server(d) + localForward("db", freeAddr(t), "127.0.0.1:1")})
	p.link(0, "work", "up")
	here, empty := []string{"TUNNELD_CONFIG=" + p.dir}, "TUNNELD_CONFIG="+t.TempDir()
	dumb := filepath.Join(shortDir(t), "s")
	l, err := net.Listen("unix", dumb)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for how, env := range map[string][]string{
		"the daemon":   {empty, "TUNNELD_SOCKET=" + p.client().Path()},
		"a silent one": append(here, "TUNNELD_SOCKET="+dumb),
		"none":         append(here, "TUNNELD_SOCKET="+dumb+".none"),
	} {
		if got := completed(t, env, "up", "work/"); !slices.Equal(got, []string{"work/db"}) {
			t.Errorf("%s: %q", how, got)
		}
	}
	if got := completed(t, []string{empty, "TUNNELD_SOCKET=" + dumb + ".none"}, "up", ""); len(got) != 0 {
		t.Errorf("nothing has names: %q", got)
	}
}

// shortDir is a folder in which a socket has a short path.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tunneld")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// inShell writes the script of a shell, and returns an environment in which the
// shell finds it, the program and two profiles.
func inShell(t *testing.T, shell string) (script string, env []string) {
	t.Helper()
	if _, err := exec.LookPath(shell); err != nil {
		t.Skip("no " + shell)
	}
	dir := t.TempDir()
	for i, name := range []string{"lab-one", "work"} {
		path := filepath.Join(dir, "profiles", name+".toml")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, fmt.Appendf(nil, "server.host = 'h'\nforward.local = [{name = 'db', listen = %d, target = 'h:1'}]", i+1), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, _, status := command(t, "completion", shell)
	script = filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil || status != 0 {
		t.Fatal(status, err)
	}
	return script, append(os.Environ(), "TERM=dumb", "HOME="+dir, "TUNNELD_CONFIG="+dir, "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
}

const bashCompletion = "/usr/share/bash-completion/bash_completion"

func TestBashCompletes(t *testing.T) {
	t.Parallel()
	script, env := inShell(t, "bash")
	if _, err := os.Stat(bashCompletion); err != nil {
		t.Skip(err)
	}
	for line, want := range map[string]string{
		"tunneld up ":            "lab-one work",
		"tunneld up lab-one wo":  "work",
		"tunneld remove work/":   "work/db",
		"tunneld sta":            "status",
		"tunneld add work d":     "dynamic",
		"tunneld check nothing/": "",
		"tunneld cp wo":          "work:",
	} {
		words := strings.Split(line, " ")
		ask := fmt.Sprintf(`source %s; source %s; COMP_TYPE=9 COMP_KEY=9 COMP_LINE='%s' COMP_POINT=%d COMP_WORDS=(%s) COMP_CWORD=%d
__start_tunneld; echo "${COMPREPLY[@]%%%% *}"`, bashCompletion, script, line, len(line), strings.Join(words[:len(words)-1], " ")+" '"+words[len(words)-1]+"'", len(words)-1)
		cmd := exec.CommandContext(t.Context(), "bash", "--norc", "-c", ask)
		cmd.Env = env
		out, err := cmd.Output() // it grumbles, since nobody typed
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%q: %q, want %q, %v", line, got, want, err)
		}
	}
}

func TestFishCompletes(t *testing.T) {
	script, env := inShell(t, "fish")
	for line, want := range map[string]string{"tunneld up ": "lab-one work", "tunneld down lab-one/": "lab-one/db"} {
		cmd := exec.CommandContext(t.Context(), "fish", "--no-config", "-c", "source "+script+"; complete -C '"+line+"'")
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != want {
			t.Errorf("%q: %q, want %q, %v", line, got, want, err)
		}
	}
}

// zsh completes only in its line editor.
func TestZshCompletes(t *testing.T) {
	script, env := inShell(t, "zsh")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "zsh", "-f", "-i")
	cmd.Env = env
	terminal, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	go cmd.Wait() // so that ctx ends it
	// The key ^G shows what stands in the line.
	fmt.Fprintf(terminal, "autoload -U compinit; compinit -D -u; source %s; show() { zle -I; print -r -- \"line<$BUFFER>\" }; zle -N show; bindkey '^G' show; print rea''dy\n", script)
	readUntil(t, terminal, "ready")
	fmt.Fprint(terminal, "tunneld down lab-one/\t\a")
	readUntil(t, terminal, "line<tunneld down lab-one/db")
}

// readUntil reads what a terminal shows until it has the text.
func readUntil(t *testing.T, terminal *os.File, text string) {
	t.Helper()
	var all strings.Builder
	for piece := make([]byte, 1024); !strings.Contains(all.String(), text); {
		n, err := terminal.Read(piece)
		all.Write(piece[:n])
		if err != nil {
			t.Fatalf("no %q in\n%q: %v", text, all.String(), err)
		}
	}
}

// Every command that takes a profile completes its name.
func TestEveryProfileCompletes(t *testing.T) {
	for _, c := range allCommands(newRoot()) {
		if strings.Contains(c.Use, "PROFILE") && c.ValidArgsFunction == nil {
			t.Errorf("%s takes a profile: give it a ValidArgsFunction of complete.go", c.CommandPath())
		}
	}
}

// allCommands are root and all below it that a person may use.
func allCommands(root *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{root}
	for _, c := range root.Commands() {
		if !c.Hidden {
			all = append(all, allCommands(c)...)
		}
	}
	return all
}
