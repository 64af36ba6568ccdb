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

// lookInNamespace looks at a configuration folder in dir, in a mount namespace
// that ends with the goroutine: writable, mounted read-only at places of its
// own, then where everything is read-only, as for a service that may write
// nowhere.
func lookInNamespace(t *testing.T, dir string, done chan<- map[string]bool) {
	seen := map[string]bool{}
	defer func() { done <- seen }()
	runtime.LockOSThread() // for good: the thread ends with this goroutine
	disk, config := filepath.Join(dir, "disk"), filepath.Join(dir, "disk", "tunneld")
	keys, link := filepath.Join(config, "keys"), filepath.Join(config, "link")
	key, outside := filepath.Join(keys, "work"), filepath.Join(disk, "outside")
	do := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	bind := func(path string) {
		do(unix.Mount(path, path, "", unix.MS_BIND, ""))
		do(unix.Mount("", path, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	}
	do(os.MkdirAll(keys, 0o700))
	do(os.WriteFile(key, nil, 0o600))
	do(os.WriteFile(outside, nil, 0o600))
	do(os.Symlink(outside, link))
	do(unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS))
	do(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	seen["writable"] = !MountedReadOnly(key, config)

	for name, path := range map[string]string{"configuration": config, "keys": keys, "key": key} {
		bind(path)
		seen["mounted: "+name] = MountedReadOnly(key, config)
		do(unix.Unmount(path, 0))
	}
	bind(keys)
	seen["no place"] = !MountedReadOnly(key) && !MountedReadOnly(key, "") && MountedReadOnly(key, "", keys)
	do(unix.Unmount(keys, 0))

	bind(disk)
	seen["on another disk"] = unix.Access(key, unix.W_OK) == unix.EROFS && !MountedReadOnly(key, config) && !MountedReadOnly(config, config)
	seen["another disk itself"] = !MountedReadOnly(disk, config)
	seen["a link to another disk"] = !MountedReadOnly(link, config)
	do(unix.Unmount(disk, 0))
	do(unix.Mount("", "/", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	seen["read-only root"] = unix.Access(key, unix.W_OK) == unix.EROFS && !MountedReadOnly(key, config) && !MountedReadOnly("/", config)
}
