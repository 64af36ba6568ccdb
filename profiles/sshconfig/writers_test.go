//go:build !windows

package sshconfig_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tunneld/profiles/sshconfig"
)

// A file that others can write could make this account run their programs.
func TestFilesOfOthers(t *testing.T) {
	env, file := setting(t, "Include more\nPort 1\n")
	more := save(t, env.Home, ".ssh/more", "ProxyCommand x\n")
	if err := os.Chmod(more, 0o620); err != nil {
		t.Fatal(err)
	}
	r := resolve(t, "a", env, file)
	if want := "config:1: Include more: " + more + " is not read: others can write it: chmod go-w " + more; skipped(r) != want {
		t.Errorf("%s, want %s", skipped(r), want)
	}
	if texts(r, "ProxyCommand") != "" || texts(r, "Port") != "1" {
		t.Errorf("ProxyCommand %q, Port %q", texts(r, "ProxyCommand"), texts(r, "Port"))
	}
	if err := os.Chmod(file, 0o606); err != nil {
		t.Fatal(err)
	}
	if _, err := sshconfig.Resolve("a", env, file); err == nil || !strings.Contains(err.Error(), "chmod go-w "+file) {
		t.Error(err)
	}
}

func TestFileOfAnotherAccount(t *testing.T) {
	env, file := setting(t, "Port 1\n")
	if err := os.Chown(file, 4242, -1); err != nil {
		t.Skip("only root can give files away")
	}
	if _, err := sshconfig.Resolve("a", env, file); err == nil || !strings.Contains(err.Error(), "another account") {
		t.Error(err)
	}
	link := filepath.Join(env.Home, ".ssh", "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if _, err := sshconfig.Resolve("a", env, link); err == nil {
		t.Error("a link hides the owner")
	}
}

// The machine's own files are not this account's to judge.
func TestSystemFilesAreTrusted(t *testing.T) {
	env, _ := setting(t, "")
	file := save(t, env.Home, "etc/ssh_config", "Port 1\n")
	if err := os.Chmod(file, 0o664); err != nil {
		t.Fatal(err)
	}
	if r := resolve(t, "a", env, file); texts(r, "Port") != "1" {
		t.Error(texts(r, "Port"))
	}
}
