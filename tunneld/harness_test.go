package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
)

// patience bounds every wait of these tests, on a machine that runs others.
const patience = 30 * time.Second

// program is the built program, made once for all tests.
var program string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tunneld-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "tunneld")
	args := []string{"build", "-o", program}
	if raceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// daemonTOML makes every event visible to the tests.
const daemonTOML = "log_level = \"debug\"\nlog_format = \"json\"\n"

// process is a daemon of the built program with a configuration folder of its own.
type process struct {
	t       testing.TB
	dir     string
	command func(args ...string) *exec.Cmd // of the program for that folder; nil means this system's
	cmd     *exec.Cmd

	exited chan struct{} // closed when the process is over
	err    error         // of Wait, set before exited is closed

	mu     sync.Mutex // guards what follows
	events []control.Event
	raw    bytes.Buffer
}

// startDaemon runs the program with the profiles, given as name and text.
func startDaemon(t testing.TB, profiles map[string]string) *process {
	t.Helper()
	p := prepareDaemon(t, profiles)
	p.start()
	return p
}

// prepareDaemon writes the configuration folder of a daemon.
func prepareDaemon(t testing.TB, profiles map[string]string) *process {
	t.Helper()
	p := &process{t: t, dir: t.TempDir()}
	p.write("daemon.toml", daemonTOML)
	for name, text := range profiles {
		p.profile(name, text)
	}
	return p
}

// program is a command line of the program, for the daemon's folder.
func (p *process) program(args ...string) *exec.Cmd {
	if p.command != nil {
		return p.command(args...)
	}
	cmd := exec.Command(program, append(args, "--config", p.dir)...)
	cmd.Env = environment()
	return cmd
}

// raceOptions make a data race the end of a program, which else would wait a
// second at its own end for one.
const raceOptions = "GORACE=halt_on_error=1 atexit_sleep_ms=0"

// environment has no agent and no display.
func environment() []string {
	return append(os.Environ(), "SSH_AUTH_SOCK=", "DISPLAY=", raceOptions)
}

func (p *process) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) profile(name, text string) { p.write("profiles/"+name+".toml", text) }

func (p *process) start() {
	p.t.Helper()
	p.startAs(p.program("run"))
}

// startAs runs the daemon by a command that becomes it.
func (p *process) startAs(cmd *exec.Cmd) {
	p.t.Helper()
	p.cmd = cmd
	if cmd.Env == nil {
		cmd.Env = environment()
	}
	out, err := p.cmd.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.exited = make(chan struct{})
	go p.read(out, p.exited)
	p.t.Cleanup(p.end)
}

func (p *process) read(out io.Reader, exited chan<- struct{}) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e control.Event
		p.mu.Lock()
		p.raw.WriteString(lines.Text() + "\n")
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			e.Level = control.Level(strings.ToLower(string(e.Level)))
			p.events = append(p.events, e)
		}
		p.mu.Unlock()
	}
	p.err = p.cmd.Wait()
	close(exited)
}

// log returns everything that the daemon has written.
func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.raw.String()
}

// mark is a point in the events, to look for what comes after it.
func (p *process) mark() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.events)
}

// await returns the first event from mark on that fits.
func (p *process) await(mark int, what string, fits func(control.Event) bool) control.Event {
	p.t.Helper()
	var found control.Event
	sshtest.Eventually(p.t, patience, what, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		i := slices.IndexFunc(p.events[min(mark, len(p.events)):], fits)
		if i >= 0 {
			found = p.events[mark+i]
		}
		return i >= 0
	})
	return found
}

// link waits for a state of a profile's link.
func (p *process) link(mark int, profile, state string) control.Event {
	p.t.Helper()
	return p.await(mark, profile+" "+state, func(e control.Event) bool {
		return e.Kind == "link" && e.Profile == profile && e.State == state
	})
}

// forward waits for a state of a forward.
func (p *process) forward(mark int, profile, name, state string) control.Event {
	p.t.Helper()
	return p.await(mark, profile+"/"+name+" "+state, func(e control.Event) bool {
		return e.Kind == "forward" && e.Profile == profile && e.Forward == name && e.State == state
	})
}

// coded waits for an event of a profile with a code.
func (p *process) coded(mark int, profile string, code fault.Code) control.Event {
	p.t.Helper()
	return p.await(mark, profile+" "+string(code), func(e control.Event) bool {
		return e.Profile == profile && e.Code == code
	})
}

// reload saves a profile anew and waits until the daemon has taken it.
func (p *process) reload(name, text string) {
	p.t.Helper()
	if text == "" {
		if err := os.Remove(filepath.Join(p.dir, "profiles", name+".toml")); err != nil {
			p.t.Fatal(err)
		}
	} else {
		p.profile(name, text)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		p.t.Fatal(err)
	}
}

// stop interrupts the daemon and waits for its end.
func (p *process) stop() error {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.exited:
		return p.err
	case <-time.After(patience):
		p.t.Fatal("the daemon did not stop")
		return nil
	}
}

// end kills what is left, and shows the log of a failed test.
func (p *process) end() {
	select {
	case <-p.exited:
	default:
		p.cmd.Process.Kill()
		<-p.exited
	}
	if log := p.log(); p.t.Failed() || strings.Contains(log, "DATA RACE") {
		p.t.Errorf("the daemon said:\n%s", log[max(0, len(log)-8000):])
	}
}

// descriptors counts the daemon's open files.
func (p *process) descriptors() int {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	return len(entries)
}

// server is the part of a profile that leads to d, with short times.
func server(d *sshtest.SSHD) string { return serverAt(d, d.Addr) }

// serverAt leads to d by way of another address, such as a relay's.
func serverAt(d *sshtest.SSHD, addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	return fmt.Sprintf(`
server = { host = %q, port = %s, user = %q }
auth = { identity_files = [%q], agent = "none" }
host_key = { known_hosts = [%q], alias = %q }
link = { connect_timeout = "5s", keepalive = "500ms", keepalive_misses = 2, reconnect_min = "50ms", reconnect_max = "300ms" }
`, host, port, d.User, d.ClientKey, aliased(d), "server")
}

// aliased writes a known_hosts file that knows d under the name "server". It is
// renamed into its place: a daemon may read it at the same time.
func aliased(d *sshtest.SSHD) string {
	path := d.KnownHosts + ".alias"
	var b strings.Builder
	for _, key := range d.HostKeys {
		b.WriteString("server " + string(marshalKey(key)))
	}
	if err := os.WriteFile(path+".new", []byte(b.String()), 0o600); err != nil {
		panic(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		panic(err)
	}
	return path
}

// localForward and remoteForward are entries of a profile.
func localForward(name, listen, target string) string {
	return fmt.Sprintf("[[forward.local]]\nname = %q\nlisten = %q\ntarget = %q\n", name, listen, target)
}

func remoteForward(name, listen, target string) string {
	return fmt.Sprintf("[[forward.remote]]\nname = %q\nlisten = %q\ntarget = %q\n", name, listen, target)
}

// freeAddr returns a loopback address that nothing listens on.
func freeAddr(t testing.TB) string { return sshtest.FreeAddr(t) }

// freeAddrs returns n different ones.
func freeAddrs(t testing.TB, n int) []string {
	t.Helper()
	addrs := make([]string, n)
	for i := range addrs {
		addrs[i] = freeAddr(t)
	}
	return addrs
}

// dialTCP connects, or fails the test.
func dialTCP(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(2 * patience))
	return c.(*net.TCPConn)
}

// ping sends a word through an echo and wants it back.
func ping(t testing.TB, c net.Conn, word string) {
	t.Helper()
	if err := tryPing(c, word); err != nil {
		t.Fatal(err)
	}
}

func tryPing(c net.Conn, word string) error {
	if _, err := io.WriteString(c, word); err != nil {
		return err
	}
	got := make([]byte, len(word))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if string(got) != word {
		return fmt.Errorf("%q came back as %q", word, got)
	}
	return nil
}

// command runs the program to its end.
func command(t testing.TB, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, isExit := err.(*exec.ExitError); err != nil && !isExit {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}
