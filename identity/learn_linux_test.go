package identity

import (
	"os"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"
)

// A file of another account stays his when a person edits it, and is not
// touched by an update that nobody asked for.
func TestFilesOfOthers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	const nobody = 65534
	a, b := hostKey(t, "ed25519"), hostKey(t, "rsa")
	file := knownFile(t, plainLine("h", a))
	if err := os.Chown(file, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	owner := func() uint32 {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return info.Sys().(*syscall.Stat_t).Uid
	}
	foreign, both := HostKeys{Files: []string{file}}, HostKeys{Files: []string{knownFile(t, ""), file}}
	if paths, err := foreign.Update("h", []ssh.PublicKey{a, b}); err != nil || len(paths) > 0 {
		t.Errorf("%q, %v", paths, err)
	}
	if paths, err := both.Update("h", []ssh.PublicKey{a, b}); err != nil || len(paths) != 1 || paths[0] != both.Files[0] {
		t.Errorf("%q, %v", paths, err)
	}
	if got := readText(t, file); got != plainLine("h", a) {
		t.Errorf("became %q", got)
	}
	if _, err := foreign.Replace("h", b); err != nil || owner() != nobody {
		t.Errorf("%v, owner %d", err, owner())
	}
}

// A file that cannot be put in place leaves nothing behind.
func TestReplaceFileThatFails(t *testing.T) {
	dir := t.TempDir()
	target := dir + "/known_hosts"
	if err := os.Mkdir(target, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(target, []byte("x"), nil); err == nil {
		t.Error("replaced a folder")
	}
	if rest, err := os.ReadDir(dir); err != nil || len(rest) != 1 {
		t.Errorf("left behind: %v, %v", rest, err)
	}
}
