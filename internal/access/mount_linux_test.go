package access

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A folder that is mounted read-only is the mounter's affair; one that merely
// this process cannot write is not.
func TestMountedReadOnly(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root mounts")
	}
	// Not in a folder for temporary files, which may have a mount of its own.
	dir, err := os.MkdirTemp("/opt", "tunneld-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	done := make(chan map[string]bool, 1)
	go lookInNamespace(t, dir, done)
	for what, right := range <-done {
		if !right {
			t.Errorf("%s: wrong", what)
		}
	}
}

// lookInNamespace looks at dir, which is writable, then mounted read-only, then
// on a root that is read-only, in a mount namespace that ends with the goroutine.
func lookInNamespace(t *testing.T, dir string, done chan<- map[string]bool) {
	seen := map[string]bool{}
	defer func() { done <- seen }()
	runtime.LockOSThread() // for good: the thread ends with this goroutine
	path := filepath.Join(dir, "work.toml")
	do := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	do(os.WriteFile(path, nil, 0o600))
	do(unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS))
	do(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	seen["writable"] = !MountedReadOnly(path)
	do(unix.Mount(dir, dir, "", unix.MS_BIND, ""))
	do(unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	seen["mounted"] = MountedReadOnly(path) && MountedReadOnly(dir)
	do(unix.Unmount(dir, 0))
	do(unix.Mount("", "/", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	seen["read-only root"] = unix.Access(path, unix.W_OK) == unix.EROFS && !MountedReadOnly(path)
}
