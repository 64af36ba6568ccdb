package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"

	"tunneld/internal/sshtest"
)

// TestDaemonScripts runs testdata/daemon/*.txt: command lines against a daemon
// whose profiles lead to a real sshd. $ECHO is behind that, on $LISTEN and $DEAD
// nothing listens; the other variables are sshd's.
func TestDaemonScripts(t *testing.T) {
	d, echo := sshtest.StartSSHD(t), sshtest.Echo(t)
	way := strings.Replace(server(d), aliased(d), "known_hosts", 1)
	known, err := os.ReadFile(aliased(d))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "daemon"),
		UpdateScripts: *rewrite,
		Setup: func(e *testscript.Env) error {
			dead := freeAddr(t)
			for name, value := range map[string]string{
				"ECHO": echo.Addr, "LISTEN": freeAddr(t), "SSHD": d.Addr, "SSHD_PORT": strconv.Itoa(d.Port),
				"DEAD": dead, "DEAD_PORT": dead[strings.LastIndex(dead, ":")+1:], "AUTHORIZED": d.AuthorizedKeys,
				"FINGERPRINT": ssh.FingerprintSHA256(d.HostKeys[0]), "USER": d.User, "KEY": d.ClientKey,
			} {
				e.Setenv(name, value)
			}
			config := filepath.Join(e.WorkDir, "config")
			return errors.Join(setUpScript(e), os.MkdirAll(config, 0o700), os.WriteFile(filepath.Join(config, "known_hosts"), known, 0o600)) // trust writes there
		},
		Cmds: scriptCommands(map[string]scriptCommand{
			"daemon":  scriptDaemon,
			"profile": func(ts *testscript.TestScript, _ bool, args []string) { scriptProfile(ts, way, args) },
		}),
	})
}

// scriptProfile NAME FILE [OLD NEW]... makes a profile of the file, with its
// variables, and the way to sshd, in which each OLD is replaced.
func scriptProfile(ts *testscript.TestScript, way string, args []string) {
	path, file := ts.MkAbs(filepath.Join("config", "profiles", args[0]+".toml")), args[1]
	way = strings.NewReplacer(args[2:]...).Replace(way)
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o700))
	ts.Check(os.WriteFile(path, []byte(way+os.Expand(ts.ReadFile(file), ts.Getenv)), 0o600))
}

// scriptDaemon starts a daemon, and waits until it answers. It ends with the
// script.
func scriptDaemon(ts *testscript.TestScript, _ bool, _ []string) {
	cmd := exec.Command(program, "run", "--config", ts.Getenv("TUNNELD_CONFIG"))
	cmd.Env = append(environment(), "HOME="+ts.Getenv("HOME"), "DBUS_SESSION_BUS_ADDRESS=")
	var log strings.Builder
	cmd.Stderr = &log
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			ts.Logf("the daemon: %v\n%s", err, log.String())
		}
	})
	untilPrinted(ts, false, []string{`"version":`, "tunneld", "status", "--json"})
}
