package main

import (
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// rewrite has the scripts take what the commands say for what they want.
var rewrite = flag.Bool("update", false, "rewrite the texts that scripts compare")

// TestScripts runs testdata/script/*.txt: command lines and what comes of them.
// The configuration folder is $WORK/config.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		Setup:         setUpScript,
		UpdateScripts: *rewrite,
		Cmds:          scriptCommands(nil),
	})
}

// scriptCommand is a word that scripts may use.
type scriptCommand = func(*testscript.TestScript, bool, []string)

// scriptCommands are the words of all scripts, and more.
func scriptCommands(more map[string]scriptCommand) map[string]scriptCommand {
	all := map[string]scriptCommand{"fails": fails, "until": untilPrinted, "plain": plain, "mode": mode, "crlf": crlf}
	maps.Copy(all, more)
	return all
}

func setUpScript(e *testscript.Env) error {
	home := filepath.Join(e.WorkDir, "home")
	e.Setenv("PATH", filepath.Dir(program)+string(os.PathListSeparator)+e.Getenv("PATH"))
	e.Setenv("HOME", home)
	e.Setenv("SSH_AUTH_SOCK", "")
	e.Setenv("DISPLAY", "")
	e.Setenv("VISUAL", "")
	e.Setenv("GORACE", strings.TrimPrefix(raceOptions, "GORACE="))
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

// untilPrinted REGEXP COMMAND... runs a command again and again until it prints that.
func untilPrinted(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile("(?m)" + args[0])
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		switch {
		case want.MatchString(ts.ReadFile("stdout")):
			return
		case time.Now().After(deadline):
			ts.Fatalf("no %s in time (%v)", want, err)
		}
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
