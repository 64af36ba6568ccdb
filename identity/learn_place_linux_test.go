package identity

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// service stands for the account that has a folder of its own.
const service = 12345

// serviceFolder is a folder of another account, with the links that it made.
func serviceFolder(t *testing.T, links map[string]string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(dir, service, service); err != nil {
		t.Fatal(err)
	}
	return dir
}

// writeRoots writes a file of root's.
func writeRoots(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("# root's\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// owned reports whether the service has a file or folder, for itself alone.
func owned(t *testing.T, path string) bool {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	return stat.Uid == service && stat.Gid == service && info.Mode().Perm()&0o077 == 0
}

// What root learns for the service is the service's to read and to add to.
func TestRootLearnsForTheService(t *testing.T) {
	dir := serviceFolder(t, nil)
	file := filepath.Join(dir, "ssh", "known_hosts")
	short := filepath.Join(t.TempDir(), "short") // root's own link
	if err := os.Symlink(dir, short); err != nil {
		t.Fatal(err)
	}
	for name, via := range map[string]string{"g": file, "h": filepath.Join(short, "ssh", "known_hosts")} {
		if _, err := (HostKeys{Files: []string{via}}).Learn(name, hostKey(t, "ed25519")); err != nil {
			t.Fatal(err)
		}
	}
	if !owned(t, file) || !owned(t, filepath.Dir(file)) {
		t.Error("the service cannot read it")
	}
	if lines := strings.Count(readText(t, file), "\n"); lines != 2 {
		t.Errorf("%d lines", lines)
	}
	if rest, err := os.ReadDir(filepath.Dir(file)); err != nil || len(rest) != 1 {
		t.Errorf("left behind: %v, %v", rest, err)
	}
}

// A lock of root's that another process waits for is the service's too.
func TestRootLocksForTheService(t *testing.T) {
	file := filepath.Join(serviceFolder(t, nil), "known_hosts")
	_, err := editFile(file, func([]byte) ([]byte, error) {
		if !owned(t, file+".lock") {
			t.Error("the service cannot wait for it")
		}
		return nil, nil
	})
	if err != nil {
		t.Error(err)
	}
}

// No link that the service made has root write elsewhere.
func TestRootFollowsNoLinkOfTheService(t *testing.T) {
	elsewhere := t.TempDir()
	victim := filepath.Join(elsewhere, "known_hosts")
	dir := serviceFolder(t, map[string]string{"known_hosts": victim, "ssh": elsewhere, "locked.lock": victim})
	for file, why := range map[string]string{
		"known_hosts":     "symbolic link",
		"ssh/known_hosts": "links root does not follow",
		"locked":          "symbolic link",
	} {
		writeRoots(t, victim)
		_, err := HostKeys{Files: []string{filepath.Join(dir, file)}}.Learn("h", hostKey(t, "ed25519"))
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", file, err)
		}
		if got := readText(t, victim); got != "# root's\n" {
			t.Errorf("%s: root wrote %q", file, got)
		}
	}
}

// A second name of a file of root's stays root's: neither its text nor its
// account changes hands.
func TestRootGivesNoFileAway(t *testing.T) {
	dir := serviceFolder(t, nil)
	secret := filepath.Join(t.TempDir(), "secret")
	writeRoots(t, secret)
	for _, name := range []string{"known_hosts", "known_hosts.lock"} {
		if err := os.Link(secret, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "known_hosts")
	if _, err := (HostKeys{Files: []string{file}}).Learn("h", hostKey(t, "ed25519")); err != nil {
		t.Fatal(err)
	}
	if owned(t, secret) || owned(t, file) || readText(t, secret) != "# root's\n" {
		t.Error("root gave its file away")
	}
}
