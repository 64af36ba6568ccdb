//go:build system

package install_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// What is built between two releases is between them for a package manager.
func TestVersionOfACommit(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "scripts"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "scripts", "version"), []byte(readFile(t, "../scripts/version")), 0o755); err != nil {
		t.Fatal(err)
	}
	repo := func(script string) { run(t, "sh", "-ec", "cd "+dir+"; "+script) }
	want := func(pattern string) {
		t.Helper()
		if got := run(t, filepath.Join(dir, "scripts", "version")); !regexp.MustCompile(pattern).MatchString(got) {
			t.Errorf("%s\nwant %s", got, pattern)
		}
	}
	const commit = "git -c user.name=ana -c user.email=ana@example.com commit --quiet --allow-empty --message x"
	repo("git init --quiet; git add .; " + commit)
	want(`VERSION=0\.0\.0-\d{14}-\w{12}\nVERSION_LINUX=0\.0\.0\+\d{14}\.\w{12}\nVERSION_APK=0\.0\.0_git\d{14}\n`)
	repo("git tag v1.2.9")
	want(`VERSION=1\.2\.9\nVERSION_LINUX=1\.2\.9\nVERSION_APK=1\.2\.9\nVERSION_MSI=1\.2\.9\n`)
	repo(commit + "; git tag v2.0.0-rc1")
	want(`VERSION=1\.2\.10-0\.\d{14}-\w{12}\nVERSION_LINUX=1\.2\.9\+\d{14}\.\w{12}\nVERSION_APK=1\.2\.9_git\d{14}\n`)
	repo(`eval "$(scripts/version)"; dpkg --compare-versions 1.2.9 lt "$VERSION_LINUX"; dpkg --compare-versions "$VERSION_LINUX" lt 1.2.10`)
	repo("echo >more")
	want(`VERSION=1\.2\.10-0\.\d{14}-\w{12}\.changed\n`)
}
