package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/internal/sshtest"
	"tunneld/profiles"
)

// sessionProfile leads to d without forwards. The shells of d find no startup
// files.
func sessionProfile(t *testing.T, extra ...string) (text string, d *sshtest.SSHD) {
	t.Helper()
	d = sshtest.StartSSHD(t, append(extra, "SetEnv HOME="+t.TempDir())...)
	return fmt.Sprintf(`
server = { host = %q, port = %d, user = %q }
auth = { identity_files = [%q], agent = "none" }
host_key = { known_hosts = [%q] }
link = { keepalive = "2s", reconnect_min = "20ms", reconnect_max = "100ms" }
`, d.Host, d.Port, d.User, d.ClientKey, d.KnownHosts), d
}

// said is what a session said and how it ended.
type said struct {
	stdout, stderr string
	exit           control.SessionExit
	err            error
}

func attend(s *Supervisor, profile string, r control.SessionRequest, input string) said {
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	exit, err := s.Session(ctx, profile, r, control.SessionStreams{Stdin: strings.NewReader(input), Stdout: &out, Stderr: &errs})
	return said{out.String(), errs.String(), exit, err}
}

func command(line string) control.SessionRequest { return control.SessionRequest{Command: line} }

func TestSession(t *testing.T) {
	text, _ := sessionProfile(t, "AcceptEnv *")
	s, told := supervise(t, map[string]string{"work": text + "shell = { env = { A = 'profile', B = 'profile' }, command = 'echo of the profile' }\n"})
	awaitProfile(t, s, "work", "up")
	for _, c := range []struct {
		request control.SessionRequest
		want    said
	}{
		{command("cat; echo err >&2; exit 3"), said{"words", "err\n", control.SessionExit{Status: 3}, nil}},
		{command("kill -TERM $$"), said{exit: control.SessionExit{Signal: "TERM"}}},
		{control.SessionRequest{Command: `echo "$A,$B"`, Env: []string{"B=mine"}}, said{stdout: "profile,mine\n"}},
		{control.SessionRequest{}, said{stdout: "of the profile\n"}},
		{control.SessionRequest{Command: "stty size; echo $TERM", Terminal: &control.Terminal{Type: "vt100", Size: control.WindowSize{Columns: 91, Rows: 17}}}, said{stdout: "17 91\r\nvt100\r\n"}},
	} {
		input := "words"
		if c.request.Terminal != nil { // it would come back
			input = ""
		}
		if got := attend(s, "work", c.request, input); got != c.want {
			t.Errorf("%+v: %+v, want %+v", c.request, got, c.want)
		}
	}
	for _, want := range []string{"a command, for this process", "status 3: a command", "signal TERM", "a shell, for this process", "a command with a terminal"} {
		if !told.has(func(e control.Event) bool { return e.Kind == "session" && strings.Contains(e.Detail, want) }) {
			t.Errorf("no event says %q", want)
		}
	}
	if told.has(func(e control.Event) bool {
		return strings.Contains(e.Detail, "stty") || strings.Contains(e.Detail, "kill")
	}) {
		t.Error("an event tells the command")
	}
}

func TestSessionRefusals(t *testing.T) {
	text, d := sessionProfile(t, "PermitTTY no")
	s, _ := supervise(t, map[string]string{
		"work": text, "closed": text + "shell.enabled = false\n", "downed": text,
		"stranger": strings.Replace(text, d.KnownHosts, "/nonexistent", 1),
	})
	awaitProfile(t, s, "work", "up")
	awaitProfile(t, s, "stranger", "blocked")
	if err := s.Act(t.Context(), control.Down, "downed", ""); err != nil {
		t.Fatal(err)
	}
	terminal := control.SessionRequest{Terminal: &control.Terminal{Type: "vt100"}}
	for _, c := range []struct {
		profile string
		request control.SessionRequest
		code    fault.Code
		hint    string
	}{
		{"nobody", command("true"), fault.UnknownProfile, "lists the profiles"},
		{"closed", command("true"), fault.SessionDenied, "shell.enabled"},
		{"downed", command("true"), fault.SessionDenied, "tunneld up downed"},
		{"stranger", command("true"), fault.HostKeyUnknown, "tunneld trust stranger"},
		{"work", control.SessionRequest{Agent: true}, fault.PermissionDenied, "auth.forward_agent"},
		{"work", terminal, fault.PtyDenied, "PermitTTY"},
	} {
		got := attend(s, c.profile, c.request, "")
		if fault.CodeOf(got.err) != c.code || !strings.Contains(fault.HintOf(got.err), c.hint) {
			t.Errorf("%s, %+v: %v, hint %q", c.profile, c.request, got.err, fault.HintOf(got.err))
		}
	}
}

func TestMaxSessionsReached(t *testing.T) {
	text, _ := sessionProfile(t, "MaxSessions 1")
	s, _ := supervise(t, map[string]string{"work": text})
	awaitProfile(t, s, "work", "up")
	in, typed := io.Pipe()
	first := make(chan error, 1)
	ready := &await{want: "ready"}
	go func() {
		_, err := s.Session(t.Context(), "work", command("echo ready; cat"), control.SessionStreams{Stdin: in, Stdout: ready})
		first <- err
	}()
	sshtest.Eventually(t, patience, "the program", ready.came)
	if p := s.profile("work"); p.Sessions != 1 {
		t.Errorf("%d sessions", p.Sessions)
	}
	if got := attend(s, "work", command("true"), ""); fault.CodeOf(got.err) != fault.SessionDenied || !strings.Contains(fault.HintOf(got.err), "MaxSessions") {
		t.Errorf("%v", got.err)
	}
	typed.Close()
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// ender starts a session and returns how it ended, and a file that its program
// writes when it is hung up.
func ender(t *testing.T, s *Supervisor, r control.SessionRequest) (over chan error) {
	t.Helper()
	over = make(chan error, 1)
	ready := &await{want: "ready"}
	go func() {
		_, err := s.Session(context.Background(), "work", r, control.SessionStreams{Stdin: strings.NewReader(""), Stdout: ready})
		over <- err
	}()
	sshtest.Eventually(t, patience, "the program", ready.came)
	return over
}

// await is a writer that waits for a word.
type await struct {
	want string
	mu   sync.Mutex
	text bytes.Buffer
}

func (a *await) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text.Write(p)
}

func (a *await) came() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Contains(a.text.String(), a.want)
}

func TestDownEndsSessions(t *testing.T) {
	text, _ := sessionProfile(t)
	s, told := supervise(t, map[string]string{"work": text})
	awaitProfile(t, s, "work", "up")
	mark := filepath.Join(t.TempDir(), "mark")
	over := ender(t, s, control.SessionRequest{
		Command:  "trap 'echo hung > " + mark + "; exit' HUP; echo ready; while :; do sleep 0.05; done",
		Terminal: &control.Terminal{Type: "vt100"},
	})
	if err := s.Act(t.Context(), control.Down, "work", ""); err != nil {
		t.Fatal(err)
	}
	if err := <-over; err == nil || err.Error() != "work was stopped" {
		t.Error(err)
	}
	sshtest.Eventually(t, patience, "the hangup", func() bool { _, err := os.Stat(mark); return err == nil })
	if !told.has(func(e control.Event) bool {
		return e.Message == "session ended" && strings.Contains(e.Detail, "was stopped")
	}) {
		t.Error("no event of the end")
	}
}

func TestSessionOfLostConnection(t *testing.T) {
	text, d := sessionProfile(t)
	s, _ := supervise(t, map[string]string{"work": text})
	awaitProfile(t, s, "work", "up")
	over := ender(t, s, command("echo ready; sleep 1000"))
	d.KillConnections()
	if err := <-over; fault.CodeOf(err) != fault.ClosedByServer {
		t.Error(err)
	}
	if got := attend(s, "work", command("echo again"), ""); got.stdout != "again\n" {
		t.Errorf("%+v", got)
	}
}

// A session brings up what is on demand or manual, and not the forwards of the
// latter.
func TestSessionBringsTheLinkUp(t *testing.T) {
	text, _ := sessionProfile(t)
	listen := sshtest.FreeAddr(t)
	s, _ := supervise(t, map[string]string{
		"demand": "start = 'on-demand'\n" + text,
		"manual": "start = 'manual'\n" + text + fmt.Sprintf("[[forward.local]]\nlisten = %q\ntarget = 1\n", listen),
	})
	for _, name := range []string{"demand", "manual"} {
		sshtest.Eventually(t, patience, name, func() bool { return s.profile(name).Name != "" })
		if got := attend(s, name, command("echo here"), ""); got.stdout != "here\n" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if c, err := net.Dial("tcp", listen); err == nil {
		c.Close()
		t.Error("the forward of the manual profile listens")
	}
}

func TestManySessions(t *testing.T) {
	text, _ := sessionProfile(t, "MaxSessions 100")
	s, _ := supervise(t, map[string]string{"work": text})
	awaitProfile(t, s, "work", "up")
	var batch sync.WaitGroup
	ready := make([]*await, 100)
	typed := make([]*io.PipeWriter, len(ready))
	for i := range ready {
		in, out := io.Pipe()
		ready[i], typed[i] = &await{want: fmt.Sprintf("ready %d", i)}, out
		request := control.SessionRequest{Command: fmt.Sprintf("echo ready %d; read x; exit %d", i, i), Terminal: &control.Terminal{Type: "vt100"}}
		batch.Go(func() {
			exit, err := s.Session(t.Context(), "work", request, control.SessionStreams{Stdin: in, Stdout: ready[i]})
			if err != nil || exit.Status != uint32(i) {
				t.Errorf("%d: %+v, %v", i, exit, err)
			}
		})
	}
	for i := range ready {
		sshtest.Eventually(t, patience, "a shell", ready[i].came)
	}
	if p := s.profile("work"); p.Sessions != len(ready) {
		t.Errorf("%d sessions", p.Sessions)
	}
	for _, out := range typed {
		io.WriteString(out, "\n")
		defer out.Close()
	}
	batch.Wait()
}

// alone is a supervisor that does not serve, as of a command without a daemon.
func alone(t *testing.T, files map[string]string) *Supervisor {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, "profiles", name+".toml")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	s := &Supervisor{Loader: &profiles.Loader{Dir: dir, State: filepath.Join(dir, "state"), Env: profiles.Environment{User: "ana"}, ReadOnly: true}}
	if problems := s.Open(); len(problems) > 0 {
		t.Fatal(problems)
	}
	return s
}

func TestSessionWithoutDaemon(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	text, d := sessionProfile(t)
	s := alone(t, map[string]string{"work": text})
	if got := attend(s, "work", command("cat; exit 4"), "words"); got != (said{stdout: "words", exit: control.SessionExit{Status: 4}}) {
		t.Errorf("%+v", got)
	}
	over := ender(t, s, command("echo ready; sleep 1000"))
	d.KillConnections()
	if err := <-over; fault.CodeOf(err) != fault.ClosedByServer {
		t.Error(err)
	}
	d.Stop()
	start := time.Now()
	if got := attend(s, "work", command("true"), ""); fault.CodeOf(got.err) != fault.ConnectRefused {
		t.Errorf("%+v after %s", got, time.Since(start))
	}
}

func TestDial(t *testing.T) {
	text, _ := sessionProfile(t)
	echo := sshtest.Echo(t)
	files := map[string]string{"work": text}
	served, _ := supervise(t, files)
	awaitProfile(t, served, "work", "up")
	for name, s := range map[string]*Supervisor{"daemon": served, "alone": alone(t, files)} {
		p, err := s.Dial(t.Context(), "work", echo.Addr)
		if err != nil {
			t.Fatal(name, err)
		}
		io.WriteString(p, "there and back")
		p.CloseWrite()
		if got, err := io.ReadAll(p); string(got) != "there and back" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		p.Close()
		if _, err := s.Dial(t.Context(), "work", "127.0.0.1:1"); fault.CodeOf(err) != fault.TargetRefused {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Dial(t.Context(), "work", "socks"); err == nil {
			t.Errorf("%s: dialled socks", name)
		}
	}
}

// What the server may do with the agent is what the profile allows.
func TestAgentForwarding(t *testing.T) {
	agent := sshtest.Agent(t)
	text, _ := sessionProfile(t)
	text = strings.Replace(text, `agent = "none"`, fmt.Sprintf("agent = %q, forward_agent = true", agent.Socket), 1)
	s, _ := supervise(t, map[string]string{"work": text})
	awaitProfile(t, s, "work", "up")
	for range 2 {
		got := attend(s, "work", control.SessionRequest{Command: "ssh-add -l; echo $?", Agent: true}, "")
		if !strings.HasSuffix(got.stdout, "1\n") { // it answers, and has no keys
			t.Errorf("%+v", got)
		}
	}
	// sshd gives later sessions of a connection the same socket; nothing answers there.
	if got := attend(s, "work", command("ssh-add -l"), ""); got.exit == (control.SessionExit{}) {
		t.Errorf("without being asked: %+v", got)
	}
}

func awaitProfile(t *testing.T, s *Supervisor, name, state string) {
	t.Helper()
	sshtest.Eventually(t, patience, name+" "+state, func() bool { return s.profile(name).State == state })
}
