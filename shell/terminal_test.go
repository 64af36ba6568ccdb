package shell_test

import (
	"bufio"
	"io"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"tunneld/fault"
	"tunneld/shell"
)

func terminal() *shell.Terminal {
	return &shell.Terminal{Type: "xterm-256color", Size: shell.Size{Columns: 132, Rows: 43, Width: 1056, Height: 688}}
}

// expect reads lines until one is want.
func expect(t *testing.T, s *shell.Session, lines *bufio.Reader, want string) {
	t.Helper()
	stop := closeLate(s)
	defer stop()
	for {
		line, err := lines.ReadString('\n')
		if strings.TrimRight(line, "\r\n") == want {
			return
		}
		if err != nil {
			t.Fatalf("%q, %v, want %q", line, err, want)
		}
	}
}

func TestTerminalAndItsSize(t *testing.T) {
	l, _ := openssh(t)
	s := start(t, l, shell.Spec{Command: "echo $TERM; stty size; read x; stty size; echo to stderr >&2; exit 4", Terminal: terminal()})
	lines := bufio.NewReader(s.Stdout)
	expect(t, s, lines, "xterm-256color")
	expect(t, s, lines, "43 132")
	if err := s.Resize(shell.Size{Columns: 20, Rows: 10}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(s.Stdin, "\n"); err != nil {
		t.Fatal(err)
	}
	expect(t, s, lines, "10 20")
	expect(t, s, lines, "to stderr")
	if exit, err := s.Wait(patient(t)); exit.Status != 4 || err != nil {
		t.Errorf("%+v, %v", exit, err)
	}
}

func TestTerminalModes(t *testing.T) {
	l, _ := openssh(t)
	term := terminal()
	term.Modes = ssh.TerminalModes{ssh.ECHO: 0, ssh.ICRNL: 0, ssh.IXANY: 1, ssh.VINTR: 7, ssh.TTY_OP_ISPEED: 9600, ssh.TTY_OP_OSPEED: 9600}
	s := start(t, l, shell.Spec{Command: "stty -a", Terminal: term})
	got := finish(t, s, strings.NewReader("")).stdout
	for _, want := range []string{"speed 9600 baud", "rows 43", " -echo ", " -icrnl ", " ixany ", "intr = ^G"} {
		if !strings.Contains(strings.ReplaceAll(got, "\r\n", " "), want) {
			t.Errorf("stty says no %q:\n%s", want, got)
		}
	}
}

// An end of the terminal hangs the program up.
func TestCloseHangsUp(t *testing.T) {
	l, _ := openssh(t)
	mark := t.TempDir() + "/mark"
	s := start(t, l, shell.Spec{Command: "trap 'echo hung up > " + mark + "; exit' HUP; echo ready; while :; do sleep 0.05; done", Terminal: terminal()})
	expect(t, s, bufio.NewReader(s.Stdout), "ready")
	s.Close()
	awaitFile(t, mark, "hung up\n")
}

func TestTerminalDenied(t *testing.T) {
	l, _ := openssh(t, "PermitTTY no")
	_, err := try(t, l, shell.Spec{Terminal: terminal()})
	if fault.CodeOf(err) != fault.PtyDenied || !strings.Contains(fault.HintOf(err), "PermitTTY") {
		t.Errorf("%v", err)
	}
	if got := run(t, l, "echo still here", ""); got.stdout != "still here\n" {
		t.Errorf("%+v", got)
	}
}

func TestForwardingDenied(t *testing.T) {
	l, _ := openssh(t, "X11Forwarding no", "AllowAgentForwarding no")
	_, err := try(t, l, shell.Spec{X11: &shell.X11{Cookie: strings.Repeat("ab", 16)}})
	if fault.CodeOf(err) != fault.X11ServerRefused || !strings.Contains(fault.HintOf(err), "X11Forwarding") {
		t.Errorf("%v", err)
	}
	_, err = try(t, l, shell.Spec{Agent: true})
	if fault.CodeOf(err) != fault.SessionDenied || !strings.Contains(fault.HintOf(err), "AllowAgentForwarding") {
		t.Errorf("%v", err)
	}
}
