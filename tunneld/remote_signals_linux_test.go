package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// unprivileged is an sshd that passes signals on: not for root.
func unprivileged(t *testing.T) *sshtest.SSHD {
	t.Helper()
	if os.Getuid() != 0 {
		return bare(t)
	}
	return sshtest.StartAccountSSHD(t, "/bin/sh")
}

// A program hears of the signals, and its own end is the command's.
func TestExecPassesSignals(t *testing.T) {
	t.Parallel()
	eachWay(t, unprivileged(t), "", func(t *testing.T, p *process) {
		for sig, name := range map[syscall.Signal]string{syscall.SIGTERM: "TERM", syscall.SIGINT: "INT", syscall.SIGQUIT: "QUIT"} {
			for _, c := range []struct {
				trap, out string
				status    int
			}{
				{"trap 'echo got " + name + "; exit 7' " + name, "got " + name + "\n", 7},
				{"", "", 128 + int(sig)},
			} {
				h := p.holds(t, "", "exec", "work", c.trap+"\necho ready; while :; do sleep 0.05; done")
				h.Process.Signal(sig)
				if out, errs, status := h.ends(); out != c.out || strings.Contains(errs, "tunneld") || status != c.status {
					t.Errorf("%s, %q: %q, %q, %d", name, c.trap, out, errs, status)
				}
			}
		}
	})
}

// A program whose server ignores signals loses its input and its terminal, when
// the time is over or the second signal came.
func TestExecLeaves(t *testing.T) {
	t.Parallel()
	eachWay(t, bare(t), "", func(t *testing.T, p *process) {
		for name, c := range map[string]struct {
			line  string
			flags []string
			again bool
		}{
			"grace":    {line: "trap '' INT; echo ready; cat; echo over > "},
			"second":   {line: "trap '' INT; echo ready; cat; echo over > ", again: true},
			"terminal": {line: "stty -opost; trap 'echo over > $F; exit' HUP; echo ready; while :; do sleep 0.05; done; echo ", flags: []string{"-tt"}, again: true},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				mark := filepath.Join(t.TempDir(), "mark")
				h := p.holds(t, "", append(append([]string{"exec"}, c.flags...), "work", "F="+mark+"; "+c.line+mark)...)
				h.Process.Signal(syscall.SIGINT)
				if c.again {
					go h.interrupt(t.Context())
				}
				if out, errs, status := h.ends(); out != "" || errs != "" || status != 130 {
					t.Errorf("%q, %q, %d", out, errs, status)
				}
				sshtest.Eventually(t, patience, "the program's end", func() bool { text, _ := os.ReadFile(mark); return string(text) == "over\n" })
			})
		}
	})
}

// interrupt sends signals until the command is over: two at once may be one.
func (h *held) interrupt(ctx context.Context) {
	for ctx.Err() == nil && h.Process.Signal(syscall.SIGINT) == nil {
		time.Sleep(20 * time.Millisecond)
	}
}

// A system that lets nobody in says why, also where only its sshd's log says more.
func TestMaintenance(t *testing.T) {
	t.Parallel()
	d := sshtest.StartAccountSSHD(t, "/bin/sh", "UsePAM yes")
	d.Maintain("Maintenance until 18:00.")
	p := startDaemon(t, map[string]string{"work": server(d)})
	why := p.link(0, "work", "waiting")
	if why.Code != fault.ClosedByServer || !strings.HasSuffix(why.Detail, "; the server said: Maintenance until 18:00.") || why.Hint == "" {
		t.Errorf("%+v", why)
	}
	_, errs, status := p.runs(nil, "exec", "work", "true")
	if status != 255 || !strings.Contains(errs, "Maintenance until 18:00.\nhint: ") {
		t.Errorf("%d, %s", status, errs)
	}
}

// A login shell that is none says so itself; its status is the command's.
func TestNologin(t *testing.T) {
	t.Parallel()
	eachWay(t, sshtest.StartAccountSSHD(t, "/usr/sbin/nologin"), "", func(t *testing.T, p *process) {
		for _, args := range [][]string{{"exec", "work", "true"}, {"shell", "work"}} {
			out, errs, status := p.runs(strings.NewReader(""), args...)
			if status != 1 || errs != "" || !strings.Contains(out, "not available") {
				t.Errorf("%q: %d, %q, %q", args, status, out, errs)
			}
		}
	})
}
