//go:build system

package install_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// tarOnly makes a folder with a tar.gz for this machine, whose program runs the
// lines of a shell, and install.sh.
func tarOnly(t *testing.T, program string) string {
	t.Helper()
	dir := t.TempDir()
	const top = "tunneld-1.2.3"
	for _, folder := range []string{"man/man1", "completions"} {
		if err := os.MkdirAll(filepath.Join(dir, top, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range map[string]string{
		top + "/tunneld": "#!/bin/sh\n" + program, top + "/man/man1/tunneld.1": "", top + "/completions/tunneld.bash": "",
		top + "/completions/_tunneld": "", top + "/completions/tunneld.fish": "", "install.sh": readFile(t, "install.sh"),
	} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "sh", "-ec", "cd "+dir+"; tar -czf "+top+"-linux-"+runtime.GOARCH+".tar.gz "+top+"; rm -r "+top+"; sha256sum * >SHA256SUMS")
	return dir
}

// strict is a root that keeps things to itself, under a sudo that does not look
// in /usr/local.
const strict = "umask 077; mkdir -p /work; PATH=/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/work sh /dist/install.sh"

// What install.sh unpacks is everybody's to run, and is called by its place.
func TestInstallScriptOfAStrictRoot(t *testing.T) {
	tr := plant(t, tarOnly(t, "echo tunneld 1.2.3\n"))
	tr.sh("echo ID=other >/etc/os-release")
	tr.sh(strict + " >/said; grep -x 'tunneld 1.2.3' /said; grep -F 'sudo /usr/local/bin/tunneld service install' /said")
	tr.says("stat -c %a /usr/local/bin/tunneld /usr/local/share/bash-completion /usr/local/share/man/man1/tunneld.1; ls /work", "755\n755\n755")
	tr.sh("setpriv --reuid 1234 --clear-groups /usr/local/bin/tunneld")
}

// An installation that fails leaves nothing in the folder for temporary files.
func TestInstallScriptThatFails(t *testing.T) {
	tr := plant(t, tarOnly(t, "echo tunneld 1.2.3\n"))
	tr.sh("echo ID=other >/etc/os-release; rm -rf /usr/local/share/man; mkdir -p /usr/local/share; touch /usr/local/share/man")
	tr.refuses(strict, "/usr/local/share/man")
	tr.says("ls /work", "")
}
