package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/script/*.txt: command lines and what comes of them.
// The configuration folder is $WORK/config.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   filepath.Join("testdata", "script"),
		Setup: setUpScript,
		Cmds:  map[string]func(*testscript.TestScript, bool, []string){"fails": fails, "mode": mode, "crlf": crlf},
	})
}

func setUpScript(e *testscript.Env) error {
	home := filepath.Join(e.WorkDir, "home")
	e.Setenv("PATH", filepath.Dir(program)+string(os.PathListSeparator)+e.Getenv("PATH"))
	e.Setenv("HOME", home)
	e.Setenv("SSH_AUTH_SOCK", "")
	e.Setenv("TUNNELD_CONFIG", filepath.Join(e.WorkDir, "config"))
	return os.MkdirAll(home, 0o700)
}

// fails STATUS COMMAND... runs a command that must end with the exit status.
func fails(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	exit, ok := err.(*exec.ExitError)
	if !ok || exit.ExitCode() != want {
		ts.Fatalf("%v, want exit status %d", err, want)
	}
}

// mode PERMISSIONS FILE checks the mode of a file.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := strconv.FormatUint(uint64(info.Mode().Perm()), 8); got != args[0] {
		ts.Fatalf("%s has the mode %s, want %s", args[1], got, args[0])
	}
}

// crlf FILE... gives files the line ends of Windows.
func crlf(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := strings.ReplaceAll(ts.ReadFile(name), "\n", "\r\n")
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}
