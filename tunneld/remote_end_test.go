//go:build !windows

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// held is a command that runs until something ends it.
type held struct {
	*exec.Cmd
	stdin  io.WriteCloser
	stdout io.Reader
	errs   bytes.Buffer
}

// holds starts one, which says ready first; input is what makes it do so.
func (p *process) holds(t *testing.T, input string, args ...string) *held {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	h := &held{Cmd: p.remote(ctx, args...)}
	h.Stderr = &h.errs
	var err error
	if h.stdin, err = h.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if h.stdout, err = h.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(h.stdin, input)
	word := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(h.stdout, word); err != nil || string(word) != "ready\n" {
		t.Fatalf("%q, %v, %s", word, err, h.errs.String())
	}
	return h
}

// ends waits for its end.
func (h *held) ends() (rest, errs string, status int) {
	text, _ := io.ReadAll(h.stdout)
	h.Wait()
	h.stdin.Close()
	return string(text), h.errs.String(), h.ProcessState.ExitCode()
}

// What ends a command or a connection in its middle is told in one line.
func TestEndInTheMiddle(t *testing.T) {
	t.Parallel()
	echo := sshtest.Echo(t)
	commands := map[string]struct {
		args   []string
		input  string
		status int
	}{
		"exec":      {[]string{"exec", "work", "echo ready; cat"}, "", 255}, // which ends with its input,
		"terminal":  {[]string{"exec", "-tt", "work", "stty -opost; echo ready; sleep 1000"}, "", 255},
		"ssh-proxy": {[]string{"ssh-proxy", "work", echo.Addr}, "ready\n", 1},
	}
	for name, c := range map[string]struct {
		end  func(t *testing.T, d *sshtest.SSHD, p *process)
		want string
		ways string
	}{
		"connection": {func(_ *testing.T, d *sshtest.SSHD, _ *process) { d.KillConnections() }, "closed_by_server: ", "daemon alone"},
		"silence":    {func(_ *testing.T, d *sshtest.SSHD, _ *process) { d.Pause(false) }, "keepalive_lost: ", "daemon alone"},
		"daemon":     {func(_ *testing.T, _ *sshtest.SSHD, p *process) { p.cmd.Process.Kill() }, "the daemon at ", "daemon"},
		"down": {func(t *testing.T, _ *sshtest.SSHD, p *process) {
			if out, err := p.program("down", "work").CombinedOutput(); err != nil {
				t.Fatalf("%v %s", err, out)
			}
		}, "work was stopped", "daemon"},
		"stop": {func(_ *testing.T, _ *sshtest.SSHD, p *process) { p.stop() }, "", "daemon"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := bare(t)
			eachWay(t, d, "", func(t *testing.T, p *process) {
				if !strings.Contains(c.ways, filepath.Base(t.Name())) {
					t.Skip("there is no daemon")
				}
				all := map[string]*held{}
				for name, command := range commands {
					all[name] = p.holds(t, command.input, command.args...)
				}
				c.end(t, d, p)
				for name, h := range all {
					out, errs, status := h.ends()
					what, _, _ := strings.Cut(errs, "\nhint: ")
					if status != commands[name].status || out != "" || !strings.HasPrefix(errs, "tunneld: "+c.want) || strings.Count(strings.TrimSuffix(what, "\n"), "\n") > 0 {
						t.Errorf("%s: %d, %q, %s", name, status, out, errs)
					}
				}
				if p.cmd == nil || name != "silence" {
					return
				}
				for _, what := range []string{"a command,", "a command with a terminal,", "a connection to "} {
					p.await(0, what+" and why it ended", func(e control.Event) bool {
						return e.Message == "session ended" && e.Code == fault.KeepaliveLost && strings.Contains(e.Detail, what)
					})
				}
			})
		})
	}
}

// A terminal carries every byte, both ways, as soon as its program wants that.
func TestTerminalIsEightBitClean(t *testing.T) {
	t.Parallel()
	eachWay(t, bare(t), "", func(t *testing.T, p *process) {
		h := p.holds(t, "", "exec", "-tt", "work", "stty raw -echo; echo ready; head -c 512; exit 6")
		typed := make([]byte, 512)
		for i := range typed {
			typed[i] = byte(i)
		}
		h.stdin.Write(typed)
		if out, errs, status := h.ends(); out != string(typed) || errs != "" || status != 6 {
			t.Errorf("%q, %q, %d", out, errs, status)
		}
	})
}

// A command ends when nobody wants what it says, and when its program wants no
// more of its input.
func TestEndlessStreams(t *testing.T) {
	t.Parallel()
	eachWay(t, bare(t), "", func(t *testing.T, p *process) {
		h := p.holds(t, "", "exec", "work", "echo ready; exec yes")
		h.stdout.(io.Closer).Close() // a signal ends it, as it ends others in a pipe
		if _, errs, status := h.ends(); status != -1 || errs != "" {
			t.Errorf("%d, %q", status, errs)
		}
		zeros, err := os.Open("/dev/zero")
		if err != nil {
			t.Fatal(err)
		}
		defer zeros.Close()
		if out, errs, status := p.runs(zeros, "exec", "work", "head -c 1 >/dev/null; echo enough; exit 3"); out != "enough\n" || errs != "" || status != 3 {
			t.Errorf("%q, %q, %d", out, errs, status)
		}
		if p.cmd != nil {
			p.observe("work", "no session", func(p control.Profile) bool { return p.Sessions == 0 })
		}
	})
}
