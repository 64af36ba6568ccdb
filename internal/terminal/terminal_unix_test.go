//go:build !windows

package terminal_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
	"golang.org/x/term"

	"tunneld/internal/terminal"
)

// patience bounds every wait of these tests, on a machine that runs others.
const patience = 20 * time.Second

// suspendEnv makes the test program one that suspends itself.
const suspendEnv = "TERMINAL_TEST_SUSPEND"

func TestMain(m *testing.M) {
	if os.Getenv(suspendEnv) != "" {
		if err := terminal.Suspend(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(7)
	}
	goleak.VerifyTestMain(m)
}

// open opens a terminal, of which far is the emulator's side.
func open(t *testing.T) (near, far *os.File) {
	t.Helper()
	far, near, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close(); near.Close() })
	return near, far
}

// stty sets modes of a terminal by the names that people have for them.
func stty(t *testing.T, f *os.File, args ...string) string {
	t.Helper()
	cmd := exec.Command("stty", args...)
	cmd.Stdin = f
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("stty %q: %v %s", args, err, out)
	}
	return string(out)
}

func TestRaw(t *testing.T) {
	near, far := open(t)
	before := stty(t, near, "-a")
	restore, err := terminal.Raw(near, near)
	if err != nil {
		t.Fatal(err)
	}
	if stty(t, near, "-a") == before {
		t.Error("nothing changed")
	}
	typed := "\x03\x1a\x11\x13\x7f\r\n\xff\x00\x04"
	if _, err := far.WriteString(typed); err != nil {
		t.Fatal(err)
	}
	for got := ""; got != typed; {
		var p [16]byte
		n, err := near.Read(p[:])
		if got += string(p[:n]); err != nil || len(got) > len(typed) {
			t.Fatalf("%q, %v", got, err)
		}
	}
	for range 2 {
		restore()
		if after := stty(t, near, "-a"); after != before {
			t.Errorf("%s, want %s", after, before)
		}
	}
	if _, err := terminal.Raw(os.Stdin, near); err == nil && !term.IsTerminal(int(os.Stdin.Fd())) {
		t.Error("made raw what is no terminal")
	}
}

func TestRawAfterPanic(t *testing.T) {
	near, _ := open(t)
	before := stty(t, near, "-a")
	func() {
		defer func() { recover() }()
		restore, err := terminal.Raw(near, near)
		if err != nil {
			t.Fatal(err)
		}
		defer restore()
		panic("oh")
	}()
	if after := stty(t, near, "-a"); after != before {
		t.Errorf("%s, want %s", after, before)
	}
}

func TestKeys(t *testing.T) {
	near, far := open(t)
	before := stty(t, near, "-a")
	restore, err := terminal.Keys(near)
	if err != nil {
		t.Fatal(err)
	}
	far.WriteString("q")
	if _, err := near.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	restore()
	if after := stty(t, near, "-a"); after != before {
		t.Errorf("%s, want %s", after, before)
	}
}

// The modes are what stty made them.
func TestModes(t *testing.T) {
	near, _ := open(t)
	for _, c := range []struct {
		args []string
		want map[uint8]uint32
	}{
		{[]string{"sane", "erase", "^H", "intr", "^C", "iutf8", "38400"}, map[uint8]uint32{
			ssh.VERASE: 8, ssh.VINTR: 3, ssh.VEOF: 4, ssh.ECHO: 1, ssh.ICANON: 1, ssh.ISIG: 1, ssh.IUTF8: 1, ssh.OPOST: 1, ssh.ONLCR: 1,
			ssh.CS8: 1, ssh.CS7: 0, ssh.PARENB: 0, ssh.TTY_OP_ISPEED: 38400, ssh.TTY_OP_OSPEED: 38400,
		}},
		{[]string{"-echo", "-icanon", "-isig", "-iutf8", "-opost", "erase", "^?", "intr", "undef", "susp", "^Y", "ixoff", "-ixon", "tostop", "9600"}, map[uint8]uint32{
			ssh.VERASE: 127, ssh.VINTR: 255, ssh.VSUSP: 25, ssh.ECHO: 0, ssh.ICANON: 0, ssh.ISIG: 0, ssh.IUTF8: 0, ssh.OPOST: 0,
			ssh.IXOFF: 1, ssh.IXON: 0, ssh.TOSTOP: 1, ssh.TTY_OP_ISPEED: 9600, ssh.TTY_OP_OSPEED: 9600,
		}},
	} {
		stty(t, near, c.args...)
		got := terminal.Modes(near)
		for op, want := range c.want {
			if value, ok := got[op]; !ok || value != want {
				t.Errorf("stty %q: opcode %d: %d, want %d", c.args, op, value, want)
			}
		}
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if modes := terminal.Modes(file); modes != nil {
		t.Errorf("no terminal has %v", modes)
	}
	if _, err := terminal.SizeOf(file); err == nil {
		t.Error("no terminal has a size")
	}
}

func TestSizes(t *testing.T) {
	near, far := open(t)
	resize := func(columns, rows uint16) terminal.Size {
		if err := pty.Setsize(far, &pty.Winsize{Cols: columns, Rows: rows, X: 10 * columns, Y: 20 * rows}); err != nil {
			t.Fatal(err)
		}
		return terminal.Size{Columns: uint32(columns), Rows: uint32(rows), Width: 10 * uint32(columns), Height: 20 * uint32(rows)}
	}
	want := resize(80, 24)
	if got, err := terminal.SizeOf(near); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	told, over := make(chan terminal.Size, 100), make(chan struct{})
	go func() { defer close(over); terminal.Resizes(ctx, near, func(s terminal.Size) { told <- s }) }()
	want = resize(132, 43)
	for got := want; ; {
		syscall.Kill(os.Getpid(), syscall.SIGWINCH) // the system tells only whose terminal it is; before Resizes listens, nobody
		select {
		case got = <-told:
			if got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
			cancel()
			<-over
			return
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("nothing was told")
		}
	}
}

// A job is stopped until somebody continues it, but not one that nobody could.
func TestSuspend(t *testing.T) {
	for name, attr := range map[string]*syscall.SysProcAttr{"job": {Setpgid: true}, "nobody's": {Setsid: true}} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), suspendEnv+"=1")
			cmd.SysProcAttr = attr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
			defer late.Stop()
			if name == "job" {
				var status syscall.WaitStatus
				if _, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
					t.Fatalf("%v, %v", status, err)
				}
				cmd.Process.Signal(syscall.SIGCONT)
			}
			if cmd.Wait(); cmd.ProcessState.ExitCode() != 7 {
				t.Error(cmd.ProcessState)
			}
		})
	}
}
