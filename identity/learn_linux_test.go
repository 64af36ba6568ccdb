package identity

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
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
	if paths, err := foreign.Update("h", []ssh.PublicKey{a, b}, []ssh.PublicKey{b}); err != nil || len(paths) > 0 {
		t.Errorf("%q, %v", paths, err)
	}
	if paths, err := both.Update("h", []ssh.PublicKey{a, b}, []ssh.PublicKey{b}); err != nil || len(paths) != 1 || paths[0] != both.Files[0] {
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
	p, err := openPlace(target)
	if err != nil {
		t.Fatal(err)
	}
	defer p.folder.Close()
	if err := p.replace([]byte("x"), nil); err == nil {
		t.Error("replaced a folder")
	}
	if rest, err := os.ReadDir(dir); err != nil || len(rest) != 1 {
		t.Errorf("left behind: %v, %v", rest, err)
	}
}

// Who can read known_hosts can lock it, and that keeps nobody from learning.
func TestLockOfReaders(t *testing.T) {
	file := knownFile(t, "")
	reader, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := unix.Flock(int(reader.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	h := HostKeys{Files: []string{file}}
	if _, err := h.Learn("h", hostKey(t, "ed25519")); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(file + "?*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.Symlink(victim, file+".lock"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Learn("g", hostKey(t, "ed25519")); err == nil {
		t.Error("locked a symbolic link")
	}
	if exists(victim) {
		t.Error("the lock was made elsewhere")
	}
}

// Who can write in the folder can put a link in the place of the new file before
// that has its mode: the link's target keeps its own.
func TestReplaceFileWhileSwapped(t *testing.T) {
	file := knownFile(t, "")
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	victim := filepath.Join(t.TempDir(), "shadow")
	if err := os.WriteFile(victim, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := openPlace(file)
	if err != nil {
		t.Fatal(err)
	}
	defer p.folder.Close()
	stop := make(chan struct{})
	var swapper sync.WaitGroup
	swapper.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			all, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".known_hosts-*"))
			for _, path := range all {
				os.Remove(path)
				os.Symlink(victim, path)
			}
		}
	})
	for range 20 {
		p.replace(bytes.Repeat([]byte("x"), 4<<20), info)
		os.Remove(file)
	}
	close(stop)
	swapper.Wait()
	if now, err := os.Stat(victim); err != nil || now.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", now.Mode(), err)
	}
}
