package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// A file is not edited where its owner would not stay, nor in a folder that is
// read-only: it says so, and leaves nothing behind.
func TestEditsThatMayNotBe(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it takes root to make another's files")
	}
	t.Parallel()
	const nobody = 65534
	dir, err := os.MkdirTemp(filepath.Dir(filepath.Dir(program)), "tunneld") // which all may enter, unlike t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	own, file := filepath.Join(dir, "tunneld"), filepath.Join(dir, "config", "profiles", "work.toml")
	for _, err := range []error{
		os.Link(program, own),
		os.MkdirAll(filepath.Dir(file), 0o755),
		os.WriteFile(file, []byte("server.host = 'h'\n"), 0o644),
		os.Chmod(dir, 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		folder int // its owner
		want   string
	}{
		{nobody, "belongs to uid 0 and gid 0, which would not stay"},
		{0, "permission denied"},
	} {
		if err := os.Chown(filepath.Dir(file), test.folder, test.folder); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(own, "disable", "work", "--config", filepath.Join(dir, "config"))
		cmd.Env, cmd.Dir = append(environment(), "HOME="+dir), dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		said, _ := cmd.CombinedOutput()
		wants(t, test.want, "", string(said), cmd.ProcessState.ExitCode(), exitFailed, "tunneld: permission_denied: ", test.want, "hint: run it as ")
		text, err := os.ReadFile(file)
		left, _ := os.ReadDir(filepath.Dir(file))
		if err != nil || string(text) != "server.host = 'h'\n" || len(left) != 1 {
			t.Errorf("%q, %v, %v", text, left, err)
		}
	}
}
