package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/creack/pty"

	"tunneld/control"
	"tunneld/internal/sshtest"
)

// withAndWithout runs a test with a daemon that has the profile work, which leads
// to addr, and with none.
func withAndWithout(t *testing.T, d *sshtest.SSHD, addr string, test func(t *testing.T, p *process)) {
	t.Run("daemon", func(t *testing.T) {
		p := startDaemon(t, map[string]string{"work": serverAt(d, addr)})
		p.link(0, "work", "up")
		test(t, p)
	})
	t.Run("alone", func(t *testing.T) {
		test(t, prepareDaemon(t, map[string]string{"work": serverAt(d, addr)}))
	})
}

// bulky writes a file of n bytes, and returns its digest.
func bulky(t testing.TB, path string, n int64) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, sshtest.Pattern(n)); err != nil {
		t.Fatal(err)
	}
	return fileDigest(t, path)
}

func fileDigest(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return sshtest.Digest(f)
}

// partials are the temporary files in a folder.
func partials(dir string) []string {
	all, _ := filepath.Glob(filepath.Join(dir, ".tunneld-*"))
	return all
}

func TestCp(t *testing.T) {
	t.Parallel()
	d := sshtest.StartSSHD(t)
	withAndWithout(t, d, d.Addr, func(t *testing.T, p *process) {
		dir := t.TempDir()
		if err := os.MkdirAll(dir+"/tree/with space", 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"a": "first", "with space/new\nline": "second"} {
			if err := os.WriteFile(filepath.Join(dir, "tree", name), []byte(text), 0o640); err != nil {
				t.Fatal(err)
			}
		}
		old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
		if err := os.Chtimes(dir+"/tree/a", old, old); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"-rp", dir + "/tree", "work:" + dir + "/there"}, {"-rp", "work:" + dir + "/there", dir + "/back"}} {
			if out, errs, status := p.tunneld("", append([]string{"cp"}, args...)...); status != 0 || out+errs != "" {
				t.Fatalf("%d %q %q", status, out, errs)
			}
		}
		text, err := os.ReadFile(dir + "/back/with space/new\nline")
		info, serr := os.Stat(dir + "/back/a")
		if err != nil || serr != nil || string(text) != "second" || info.Mode().Perm() != 0o640 || !info.ModTime().Equal(old) {
			t.Error(string(text), err, serr, info)
		}

		out, errs, status := p.tunneld("", "cp", "work:"+dir+"/none", "work:"+dir+"/tree", "work:"+dir+"/back/a", dir)
		wants(t, "some", out, errs, status, 1, "tunneld: work:"+dir+"/none: no such file or folder\n", "tunneld: work:"+dir+"/tree: is a folder: -r copies it\n", "2 not copied, 1 copied\n")
		out, errs, status = p.tunneld("", "cp", dir+"/none", "work:")
		wants(t, "none", out, errs, status, 1, "tunneld: "+dir+"/none: no such file or folder\n")
		out, errs, status = p.tunneld("", "cp", dir+"/tree", "other:x")
		wants(t, "unknown", out, errs, status, 1, `unknown_profile: there is no profile "other"`)
		out, errs, status = p.tunneld("", "cp", "a", "b")
		wants(t, "usage", out, errs, status, 2, "hint: one side is PROFILE:path")
	})
}

// A copy goes on over connections that are cut.
func TestCpSurvivesCuts(t *testing.T) {
	t.Parallel()
	const size = 48 << 20
	d := sshtest.StartSSHD(t)
	relay := sshtest.NewRelay(t, d.Addr)
	withAndWithout(t, d, relay.Addr, func(t *testing.T, p *process) {
		for _, up := range []bool{true, false} {
			dir := t.TempDir()
			want := bulky(t, dir+"/a", size)
			from, to := dir+"/a", "work:"+dir+"/b"
			if !up {
				from, to = "work:"+dir+"/a", dir+"/b"
			}
			before := relay.Accepted()
			over := make(chan struct{})
			go cutAgain(relay, 5, over)
			out, errs, status := p.tunneld("", "cp", from, to)
			close(over)
			if status != 0 || out+errs != "" || fileDigest(t, dir+"/b") != want || relay.Accepted() < before+5 {
				t.Errorf("up %v: %d %q %q, %d connections", up, status, out, errs, relay.Accepted()-before)
			}
			if left := partials(dir); left != nil {
				t.Error(left)
			}
		}
	})
}

// cutAgain cuts what goes through a relay n times, 6 MiB after each new connection.
func cutAgain(relay *sshtest.Relay, n int, over <-chan struct{}) {
	for range n {
		cut, accepted := movedBy(relay)+6<<20, relay.Accepted()
		for movedBy(relay) < cut {
			select {
			case <-over:
				return
			case <-time.After(time.Millisecond):
			}
		}
		relay.Cut()
		for relay.Accepted() == accepted {
			select {
			case <-over:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}
}

func movedBy(relay *sshtest.Relay) int64 {
	up, down := relay.Bytes()
	return up + down
}

// A copy ends with the code of a link that will not come back, and leaves alone
// what was there.
func TestCpGivesUp(t *testing.T) {
	d := sshtest.StartSSHD(t)
	relay := sshtest.NewRelay(t, d.Addr)
	withAndWithout(t, d, relay.Addr, func(t *testing.T, p *process) {
		keys, err := os.ReadFile(d.AuthorizedKeys)
		if err != nil {
			t.Fatal(err)
		}
		defer os.WriteFile(d.AuthorizedKeys, keys, 0o600)
		dir := t.TempDir()
		bulky(t, dir+"/a", 32<<20)
		if err := os.WriteFile(dir+"/b", []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		start := movedBy(relay)
		cmd, errs := p.begin("cp", "work:"+dir+"/a", dir+"/b")
		sshtest.Eventually(t, patience, "3 MiB", func() bool { return movedBy(relay) > start+3<<20 })
		if err := os.WriteFile(d.AuthorizedKeys, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		relay.Cut()
		status := waited(t, cmd)
		wants(t, "cp", "", errs.String(), status, 1, "auth_rejected", "hint: ")
		if text, _ := os.ReadFile(dir + "/b"); string(text) != "old" || partials(dir) != nil {
			t.Error(string(text), partials(dir))
		}
	})
}

// begin starts a command; its errors can be read when it was waited for.
func (p *process) begin(args ...string) (*exec.Cmd, *bytes.Buffer) {
	p.t.Helper()
	cmd, errs := p.program(args...), new(bytes.Buffer)
	cmd.Stderr = errs
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	return cmd, errs
}

// waited is the exit status of a command.
func waited(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	timer := time.AfterFunc(2*patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// An interrupted copy leaves nothing behind; with --resume it leaves what the
// next one goes on with.
func TestCpInterrupted(t *testing.T) {
	t.Parallel()
	const size = 32 << 20
	d := sshtest.StartSSHD(t)
	relay := sshtest.NewRelay(t, d.Addr)
	withAndWithout(t, d, relay.Addr, func(t *testing.T, p *process) {
		dir := t.TempDir()
		want := bulky(t, dir+"/a", size)
		for _, args := range [][]string{{dir + "/a", "work:" + dir + "/b"}, {"work:" + dir + "/a", dir + "/b"}} {
			for _, flags := range [][]string{nil, {"--resume"}} {
				args = append(flags, args...)
				start := movedBy(relay)
				cmd, errs := p.begin(append([]string{"cp"}, args...)...)
				sshtest.Eventually(t, patience, "12 MiB", func() bool { return movedBy(relay) > start+12<<20 })
				if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
					t.Fatal(err)
				}
				status := waited(t, cmd)
				wants(t, "cp", "", errs.String(), status, 1, "tunneld: interrupted\n")
				if left := partials(dir); len(left) != len(flags) {
					t.Fatal(args, left)
				}
			}
			start := movedBy(relay)
			if out, errs, status := p.tunneld("", append([]string{"cp"}, args...)...); status != 0 {
				t.Fatal(out, errs)
			}
			if again := movedBy(relay) - start; again > size-6<<20 || fileDigest(t, dir+"/b") != want || partials(dir) != nil {
				t.Errorf("%d bytes anew, %q", again, partials(dir))
			}
		}
	})
}

// When the daemon dies, the copy goes on without it.
func TestCpOutlivesDaemon(t *testing.T) {
	d := sshtest.StartSSHD(t)
	relay := sshtest.NewRelay(t, d.Addr)
	p := startDaemon(t, map[string]string{"work": serverAt(d, relay.Addr)})
	p.link(0, "work", "up")
	dir := t.TempDir()
	want := bulky(t, dir+"/a", 32<<20)
	start := movedBy(relay)
	cmd, errs := p.begin("cp", dir+"/a", "work:"+dir+"/b")
	sshtest.Eventually(t, patience, "3 MiB", func() bool { return movedBy(relay) > start+3<<20 })
	p.cmd.Process.Kill()
	<-p.exited
	if status := waited(t, cmd); status != 0 || fileDigest(t, dir+"/b") != want {
		t.Error(status, errs)
	}
}

// The daemon says who copied, and refuses where the profile does.
func TestCpIsNoted(t *testing.T) {
	d := sshtest.StartSSHD(t)
	p := startDaemon(t, map[string]string{"work": server(d), "closed": server(d) + "[shell]\nenabled = false\n"})
	p.link(0, "closed", "up")
	dir := t.TempDir()
	bulky(t, dir+"/a", 100)
	if _, errs, status := p.tunneld("", "cp", dir+"/a", "work:"+dir+"/b"); status != 0 {
		t.Fatal(errs)
	}
	who := fmt.Sprintf("a copy, for user %d, pid ", os.Getuid())
	for _, message := range []string{"session opened", "session ended"} {
		p.await(0, message, func(e control.Event) bool {
			return e.Kind == "session" && e.Message == message && strings.Contains(e.Detail, "for user ") && (message != "session opened" || strings.HasPrefix(e.Detail, who))
		})
	}
	if strings.Contains(p.log(), dir) {
		t.Error("the log says what was copied")
	}
	out, errs, status := p.tunneld("", "cp", dir+"/a", "closed:"+dir+"/c")
	wants(t, "closed", out, errs, status, 1, "the profile forbids shells, commands, copies and ssh-proxy", "hint: set shell.enabled = true")
	out, errs, status = p.tunneld("", "down", "work")
	wants(t, "down", out, errs, status, 0)
	out, errs, status = p.tunneld("", "cp", dir+"/a", "work:"+dir+"/c")
	wants(t, "downed", out, errs, status, 1, "session_denied", "tunneld up work")
}

// A server that starts something else in the place of SFTP.
func TestCpWithoutSFTP(t *testing.T) {
	d := sshtest.StartSSHD(t, "ForceCommand echo words")
	withAndWithout(t, d, d.Addr, func(t *testing.T, p *process) {
		out, errs, status := p.tunneld("", "cp", "work:a", t.TempDir())
		wants(t, "cp", out, errs, status, 1, "session_denied: ", "hint: ")
	})
}

// On a terminal there is a bar, in the one line; then what was copied.
func TestCpOnTerminal(t *testing.T) {
	t.Parallel()
	d := sshtest.StartSSHD(t)
	relay := sshtest.NewRelay(t, d.Addr)
	relay.Delay(20 * time.Millisecond)
	p := prepareDaemon(t, map[string]string{"work": serverAt(d, relay.Addr)})
	dir := t.TempDir()
	bulky(t, dir+"/with\x1b[31mred", 32<<20)
	cmd := p.program("cp", "-r", dir, "work:"+dir+"-there")
	screen, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer screen.Close()
	timer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	shown, _ := io.ReadAll(screen) // Linux says EIO when the program is over
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%q", err, shown)
	}
	text := string(shown)
	for _, want := range []string{`\x1b[31mred`, "[###", "MB/s  0:0", " left", "\r1 file, 34 MB in 0:"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%q", want, text)
		}
	}
	if strings.Contains(text, "\x1b[31m") || strings.Count(text, "\n") != 1 {
		t.Errorf("%q", text)
	}
	for line := range strings.SplitSeq(text, "\r") {
		if ansi.StringWidth(line) >= 100 {
			t.Errorf("%d cells: %q", ansi.StringWidth(line), line)
		}
	}

	quiet := p.program("cp", "-q", dir+"/with\x1b[31mred", "work:"+dir+"/b")
	if screen, err = pty.Start(quiet); err != nil {
		t.Fatal(err)
	}
	defer screen.Close()
	if shown, _ := io.ReadAll(screen); len(shown) > 0 || quiet.Wait() != nil {
		t.Errorf("%q", shown)
	}
}
