package shell_test

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/internal/sshtest"
	"tunneld/shell"
)

func TestExitStatuses(t *testing.T) {
	l, _ := openssh(t, "MaxSessions 100")
	var batch sync.WaitGroup
	slots := make(chan bool, 8)
	for status := range 256 {
		slots <- true
		batch.Go(func() {
			defer func() { <-slots }()
			if got := run(t, l, "exit "+strconv.Itoa(status), ""); got.err != nil || got.exit != (shell.Exit{Status: uint32(status)}) || got.exit.Code() != status {
				t.Errorf("exit %d: %+v", status, got)
			}
		})
	}
	batch.Wait()
}

func TestExitSignals(t *testing.T) {
	l, _ := openssh(t)
	for _, sig := range []ssh.Signal{ssh.SIGTERM, ssh.SIGKILL, ssh.SIGHUP, ssh.SIGUSR1} {
		got := run(t, l, "kill -"+string(sig)+" $$", "")
		if got.err != nil || got.exit.Signal != sig || got.exit.Code() != 128+shell.Number(sig) || got.exit.Problem() == nil {
			t.Errorf("%s: %+v", sig, got)
		}
	}
	if got := run(t, l, "kill -STKFLT $$", ""); got.exit.Signal == "" || got.exit.Code() != 255 {
		t.Errorf("a signal without a name: %+v", got)
	}
}

func TestStreams(t *testing.T) {
	l, _ := openssh(t)
	for command, want := range map[string]output{
		"cat":                             {stdout: "words"},
		"wc -c":                           {stdout: "5\n"},
		"echo out; echo err >&2":          {stdout: "out\n", stderr: "err\n"},
		"cat >&2; exec >&-; exit 3":       {stderr: "words", exit: shell.Exit{Status: 3}},
		"printf '\\000\\377\\r\\n\\033['": {stdout: "\x00\xff\r\n\x1b["},
	} {
		if got := run(t, l, command, "words"); got != want {
			t.Errorf("%s: %+v, want %+v", command, got, want)
		}
	}
}

func TestArgumentsArriveAsGiven(t *testing.T) {
	l, _ := openssh(t)
	args := []string{"", "a b", "it's", "$HOME", "*", "\n", "\xff", `\`, "-n"}
	line, err := shell.Quote(append([]string{"printf", `%s\0`}, args...))
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, l, line, ""); got.stdout != strings.Join(args, "\x00")+"\x00" {
		t.Errorf("%q", got.stdout)
	}
}

func TestCommandNotFound(t *testing.T) {
	l, _ := openssh(t)
	got := run(t, l, "no-such-command-at-all", "")
	if got.err != nil || got.exit.Code() != 127 || fault.CodeOf(got.exit.Problem()) != fault.CommandNotFound || !strings.Contains(got.stderr, "not found") {
		t.Errorf("%+v, %v", got, got.exit.Problem())
	}
}

func TestEnvironment(t *testing.T) {
	l, _ := openssh(t, "AcceptEnv GIVEN")
	s := start(t, l, shell.Spec{Command: `echo "$GIVEN,$OTHER"`, Env: []string{"GIVEN=a=b 'c'", "OTHER=no", "NOTHING"}})
	if got := finish(t, s, strings.NewReader("")); got.stdout != "a=b 'c',\n" {
		t.Errorf("%+v", got)
	}
}

func TestLoginShellAndSubsystem(t *testing.T) {
	l, _ := openssh(t, "PrintLastLog no")
	s := start(t, l, shell.Spec{})
	if got := finish(t, s, strings.NewReader("echo $((6*7)); exit 5\n")); !strings.HasSuffix(got.stdout, "42\n") || got.exit.Status != 5 {
		t.Errorf("%+v", got)
	}
	s = start(t, l, shell.Spec{Subsystem: "sftp"})
	// SSH_FXP_INIT of version 3, and the length and type of its answer.
	if _, err := s.Stdin.Write([]byte{0, 0, 0, 5, 1, 0, 0, 0, 3}); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 9)
	if _, err := io.ReadFull(s.Stdout, answer); err != nil || answer[4] != 2 {
		t.Errorf("%v, %v", answer, err)
	}
	_, err := try(t, l, shell.Spec{Subsystem: "gopher"})
	if fault.CodeOf(err) != fault.SessionDenied || !strings.Contains(fault.HintOf(err), "Subsystem gopher") {
		t.Errorf("%v", err)
	}
}

func TestForcedCommand(t *testing.T) {
	l, _ := openssh(t, `ForceCommand echo "forced: $SSH_ORIGINAL_COMMAND"`)
	if got := run(t, l, "ls -l", ""); got.stdout != "forced: ls -l\n" || got.exit.Status != 0 {
		t.Errorf("%+v", got)
	}
	l, _ = openssh(t, "ForceCommand /usr/sbin/nologin")
	if got := run(t, l, "ls", ""); !strings.Contains(got.stdout, "not available") || got.exit.Status != 1 {
		t.Errorf("%+v", got)
	}
}

func TestMaxSessions(t *testing.T) {
	l, _ := openssh(t, "MaxSessions 1")
	first := start(t, l, shell.Spec{Command: "cat"})
	_, err := try(t, l, shell.Spec{Command: "true"})
	if fault.CodeOf(err) != fault.SessionDenied || !strings.Contains(fault.HintOf(err), "MaxSessions") {
		t.Errorf("%v, hint %s", err, fault.HintOf(err))
	}
	if got := finish(t, first, strings.NewReader("here")); got.stdout != "here" {
		t.Errorf("%+v", got)
	}
	sshtest.Eventually(t, patience, "a free place", func() bool {
		s, err := try(t, l, shell.Spec{Command: "true"})
		return err == nil && finish(t, s, strings.NewReader("")).err == nil
	})
}

func TestManyAtOnce(t *testing.T) {
	l, _ := openssh(t, "MaxSessions 100")
	var batch sync.WaitGroup
	sessions := make([]*shell.Session, 100)
	for i := range sessions {
		sessions[i] = start(t, l, shell.Spec{Command: "cat"})
	}
	for i, s := range sessions {
		batch.Go(func() {
			text := strings.Repeat(fmt.Sprint("session ", i, "\n"), 1000)
			if got := finish(t, s, strings.NewReader(text)); got.stdout != text || got.err != nil {
				t.Errorf("session %d: %d bytes, %v, %v", i, len(got.stdout), got.exit, got.err)
			}
		})
	}
	batch.Wait()
}
