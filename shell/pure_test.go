package shell

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestLineAndQuote(t *testing.T) {
	if got := Line([]string{"ls", "-l", "*.go"}); got != "ls -l *.go" {
		t.Error(got)
	}
	for want, argv := range map[string][]string{
		"":                             {},
		"ls -l /tmp/a.b":               {"ls", "-l", "/tmp/a.b"},
		`'' 'a b' '*' '~' '$x' '%1'`:   {"", "a b", "*", "~", "$x", "%1"},
		`'A=B' 'c=d'`:                  {"A=B", "c=d"},
		`'if' if`:                      {"if", "if"},
		`echo 'it'\''s' '"' '` + "\n'": {"echo", "it's", `"`, "\n"},
	} {
		if got, err := Quote(argv); got != want || err != nil {
			t.Errorf("%q: %s, %v, want %s", argv, got, err, want)
		}
	}
	if _, err := Quote([]string{"a\x00b"}); err == nil {
		t.Error("a NUL byte was quoted")
	}
}

// shells are those of this machine that read a line like POSIX's.
func shells() (all [][]string) {
	for _, argv := range [][]string{{"sh", "-c"}, {"bash", "-c"}, {"zsh", "-f", "-c"}, {"busybox", "sh", "-c"}} {
		if _, err := exec.LookPath(argv[0]); err == nil {
			all = append(all, argv)
		}
	}
	return all
}

// FuzzQuote lets real shells read what Quote wrote.
func FuzzQuote(f *testing.F) {
	for _, arg := range []string{"", "plain", "a b", "it's", "''", `\`, "$HOME `id` $(id)", "!!", "\n\t\r", "-n", "*?[a]", "{a,b}", "~root", "#", "\xff\xfe", "é☃", "a=b", "%s", "&|;<>", "=ls"} {
		f.Add(arg, "second")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		line, err := Quote([]string{"printf", `%s\0`, first, second})
		if strings.ContainsRune(first+second, 0) {
			if err == nil {
				t.Fatal("a NUL byte was quoted")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, sh := range shells() {
			out, err := exec.Command(sh[0], append(sh[1:], line)...).Output()
			if want := first + "\x00" + second + "\x00"; err != nil || string(out) != want {
				t.Fatalf("%s: %s: %q, %v, want %q", sh[0], line, out, err, want)
			}
		}
	})
}

// Whatever a command is called, shells look for a command of that name.
func TestQuoteCommand(t *testing.T) {
	names := append(slices.Clone(reserved), "A=B", "[[", "{", "}", "!", "((", "a b", "2", "~", "", "*", ">x", "#", "=ls", "\n")
	for _, name := range names {
		line, err := Quote([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		for _, sh := range shells() {
			cmd := exec.Command(sh[0], append(sh[1:], line)...)
			cmd.Env = []string{"PATH=/nonexistent"}
			cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != 127 && code != 126 {
				t.Errorf("%s: %q: exit status %d", sh[0], line, code)
			}
		}
	}
}

func TestSignalNames(t *testing.T) {
	for sig, n := range numbers {
		for _, text := range []string{string(sig), "SIG" + string(sig), strings.ToLower("sig" + string(sig)), map[int]string{15: "15", 9: "9"}[n]} {
			if got, err := ParseSignal(text); text != "" && (got != sig || err != nil) {
				t.Errorf("%s: %s, %v", text, got, err)
			}
		}
	}
	for _, text := range []string{"", "SIG", "0", "-1", "99", "SIGSIGTERM", "FOO"} {
		if got, err := ParseSignal(text); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
	if Number("FOO") != 0 || Number(ssh.SIGTERM) != 15 {
		t.Error("wrong numbers")
	}
}

func TestParseExit(t *testing.T) {
	signal := struct {
		Signal         string
		Core           bool
		Message, Langs string
	}{"SEGV", true, "oh\x1b[2J no", "en"}
	exit, err := parseExit(&ssh.Request{Type: "exit-signal", Payload: ssh.Marshal(signal)})
	if want := (Exit{Signal: ssh.SIGSEGV, Core: true, Reason: "oh [2J no"}); exit != want || err != nil {
		t.Errorf("%+v, %v", exit, err)
	}
	if got := exit.String(); got != "signal SEGV (core dumped): oh [2J no" {
		t.Error(got)
	}
	for _, kind := range []string{"exit-status", "exit-signal", "other"} {
		if _, err := parseExit(&ssh.Request{Type: kind, Payload: []byte{1, 2}}); err == nil {
			t.Errorf("%s: two bytes were read", kind)
		}
	}
}

func TestModes(t *testing.T) {
	data := EncodeModes(ssh.TerminalModes{ssh.ECHO: 1, ssh.VINTR: 3, 0: 9, 160: 9, 255: 9})
	if want := "\x01\x00\x00\x00\x03\x35\x00\x00\x00\x01\x00"; string(data) != want {
		t.Errorf("%q, want %q", data, want)
	}
	if modes, err := DecodeModes([]byte{53, 0, 0, 0, 1, 200, 1}); len(modes) != 1 || err != nil {
		t.Errorf("%v, %v", modes, err)
	}
	if modes, err := DecodeModes([]byte{53, 0, 0}); err == nil {
		t.Errorf("%v of a cut list", modes)
	}
}

// What was decoded is encoded and decoded to the same.
func FuzzModes(f *testing.F) {
	f.Add(EncodeModes(ssh.TerminalModes{ssh.ECHO: 1, ssh.TTY_OP_OSPEED: 38400}))
	f.Add([]byte{})
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		modes, err := DecodeModes(data)
		if err != nil {
			return
		}
		again, err := DecodeModes(EncodeModes(modes))
		if err != nil || !maps.Equal(again, modes) {
			t.Fatalf("%v became %v, %v", modes, again, err)
		}
	})
}
