package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"

	"tunneld/control"
	"tunneld/internal/sshtest"
)

// TestDaemonScripts runs testdata/daemon/*.txt: command lines against a daemon
// whose profiles lead to a real sshd. $ECHO is behind that, $LISTEN is free, and
// $FINGERPRINT is sshd's.
func TestDaemonScripts(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	known := server(d)
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "daemon"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("ECHO", echo.Addr)
			e.Setenv("LISTEN", freeAddr(t))
			e.Setenv("FINGERPRINT", ssh.FingerprintSHA256(d.HostKeys[0]))
			return setUpScript(e)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails": fails, "daemon": scriptDaemon,
			"profile": func(ts *testscript.TestScript, _ bool, args []string) { scriptProfile(ts, known, args) },
		},
	})
}

// scriptProfile NAME FILE [ALIAS] makes a profile of the file, with its
// variables, and the way to sshd. Under an ALIAS no known_hosts knows that.
func scriptProfile(ts *testscript.TestScript, way string, args []string) {
	path, file := ts.MkAbs(filepath.Join("config", "profiles", args[0]+".toml")), args[1]
	if len(args) > 2 {
		way = strings.Replace(way, `alias = "server"`, fmt.Sprintf("alias = %q", args[2]), 1)
	}
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o700))
	ts.Check(os.WriteFile(path, []byte(way+os.Expand(ts.ReadFile(file), ts.Getenv)), 0o600))
}

// scriptDaemon starts a daemon, and waits until it answers. It ends with the
// script.
func scriptDaemon(ts *testscript.TestScript, _ bool, _ []string) {
	config := ts.Getenv("TUNNELD_CONFIG")
	cmd := exec.Command(program, "run", "--config", config)
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK=", "HOME="+ts.Getenv("HOME"))
	var log strings.Builder
	cmd.Stderr = &log
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			ts.Logf("the daemon: %v\n%s", err, log.String())
		}
	})
	client := control.New(here().folderSocket(filepath.Join(config, "state")))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if _, err := client.Status(ctx); err == nil {
			return
		}
		ts.Check(pause(ctx))
	}
}
