//go:build system

package install_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// tree is a Debian without a running systemd, where packages are installed.
type tree struct {
	t    *testing.T
	root string
}

// plant makes a tree of the one that machines boot, with the packages in /dist.
func plant(t *testing.T, dist string) *tree {
	t.Helper()
	dir := t.TempDir()
	layers := map[string]string{"lowerdir": debian(t), "upperdir": dir + "/upper", "workdir": dir + "/work"}
	var options []string
	for name, path := range layers {
		options = append(options, name+"="+path)
	}
	tr := &tree{t, dir + "/root"}
	for _, path := range []string{layers["upperdir"] + "/dist", layers["workdir"], tr.root} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("overlay", tr.root, "overlay", 0, strings.Join(options, ",")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(tr.root, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := os.CopyFS(filepath.Join(tr.root, "dist"), os.DirFS(dist)); err != nil {
		t.Fatal(err)
	}
	return tr
}

// try runs lines of a shell in the tree.
func (tr *tree) try(script string) (string, error) {
	cmd := exec.Command("chroot", tr.root, "sh", "-ec", script)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// says runs a script that must succeed and print want.
func (tr *tree) says(script, want string) {
	tr.t.Helper()
	if out, err := tr.try(script); err != nil || out != want {
		tr.t.Errorf("%s: %v\n%s\nwant\n%s", script, err, out, want)
	}
}

// sh runs a script that must succeed.
func (tr *tree) sh(script string) {
	tr.t.Helper()
	if out, err := tr.try(script); err != nil {
		tr.t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// refuses runs a script that must fail and say words.
func (tr *tree) refuses(script, words string) {
	tr.t.Helper()
	if out, err := tr.try(script); err == nil || !strings.Contains(out, words) {
		tr.t.Errorf("%s: %v\n%s\nwant %q", script, err, out, words)
	}
}

const (
	installIt = "sh /dist/install.sh --from /dist"
	enabled   = "/etc/systemd/system/multi-user.target.wants/tunneld.service"
)

// installed checks what every package leaves behind.
func (tr *tree) installed() {
	tr.t.Helper()
	tr.says("stat -c '%a %U:%G %n' /etc/tunneld /etc/tunneld/*",
		"755 root:root /etc/tunneld\n644 root:root /etc/tunneld/daemon.toml\n750 root:tunneld /etc/tunneld/keys\n750 root:tunneld /etc/tunneld/profiles")
	tr.says("getent passwd tunneld | cut -d: -f5-", "SSH tunnels:/var/lib/tunneld:/usr/sbin/nologin")
	tr.sh("tunneld check --system")
}

// install.sh takes the deb; an upgrade keeps what was changed, removing keeps
// what is configured, purging keeps nothing but the account.
func testInstallDeb(t *testing.T, dist string) {
	tr := plant(t, dist)
	deb := filepath.Base(one(t, dist, "*_amd64.deb"))
	tr.refuses("sh /dist/install.sh --from /usr", "there is no /usr/tunneld*_amd64.deb")
	tr.refuses("mkdir /bad; cp /dist/* /bad; echo >>/bad/"+deb+"; sh /bad/install.sh", "is not what SHA256SUMS says")
	tr.refuses("mkdir /two; cp /dist/* /two; cp /dist/"+deb+" /two/tunneld_2_amd64.deb; sh /two/install.sh", "there are 2 packages")
	tr.refuses("chmod 755 /dist; setpriv --reuid 1234 "+installIt, "only root can install")
	tr.refuses("command -v tunneld || getent passwd tunneld", "")

	tr.sh(installIt)
	tr.installed()
	tr.sh("test -L " + enabled)
	tr.sh("echo 'log_level = \"debug\"' >/etc/tunneld/daemon.toml; echo '# mine' >/etc/tunneld/profiles/work.toml; rm " + enabled)
	tr.sh("cd /dist && sh ./install.sh")
	tr.says("cat /etc/tunneld/daemon.toml", `log_level = "debug"`)
	tr.refuses("test -L "+enabled, "")

	tr.sh("mkdir /var/lib/tunneld; dpkg --remove tunneld")
	tr.refuses("test -e /usr/bin/tunneld", "")
	tr.says("cat /etc/tunneld/profiles/work.toml", "# mine")
	tr.sh("dpkg --purge tunneld")
	tr.says("find / -xdev -name '*tunneld*' -not -path '/dist/*' -not -path '/bad/*' -not -path '/two/*'", "")
	tr.says("id -un tunneld", "tunneld")
}

// The same with the rpm, as far as a Debian has what its scripts want.
func testInstallRPM(t *testing.T, dist string) {
	tr := plant(t, dist)
	rpm := one(t, dist, "*.x86_64.rpm")
	do := func(args ...string) { run(t, "rpm", append([]string{"--root", tr.root, "--nodeps"}, args...)...) }
	do("--install", rpm)
	tr.installed()
	tr.sh("test -L " + enabled)
	tr.sh("echo 'log_level = \"debug\"' >/etc/tunneld/daemon.toml; echo '# mine' >/etc/tunneld/profiles/work.toml; rm " + enabled)
	do("--upgrade", "--replacepkgs", rpm)
	tr.says("cat /etc/tunneld/daemon.toml", `log_level = "debug"`)
	tr.refuses("test -L "+enabled, "")
	do("--erase", "tunneld")
	tr.refuses("test -e /usr/bin/tunneld", "")
	tr.says("cat /etc/tunneld/profiles/work.toml", "# mine")
}

// The same with Arch's, where sh is bash.
func testInstallArchlinux(t *testing.T, dist string) {
	tr := plant(t, dist)
	tr.sh("ln -sf bash /bin/sh; mkdir /var/lib/pacman")
	config := filepath.Join(t.TempDir(), "pacman.conf")
	if err := os.WriteFile(config, []byte("[options]\nArchitecture = x86_64\nLocalFileSigLevel = Optional\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	do := func(args ...string) {
		fixed := []string{"--config", config, "--root", tr.root, "--dbpath", tr.root + "/var/lib/pacman", "--cachedir", t.TempDir(), "--hookdir", t.TempDir(), "--noconfirm"}
		run(t, "pacman", append(fixed, args...)...)
	}
	pkg := one(t, dist, "*-x86_64.pkg.tar.zst")
	do("-Udd", pkg)
	tr.installed()
	tr.refuses("test -L "+enabled, "")
	tr.sh("echo 'log_level = \"debug\"' >/etc/tunneld/daemon.toml; echo '# mine' >/etc/tunneld/profiles/work.toml")
	do("-Udd", pkg)
	tr.says("cat /etc/tunneld/daemon.toml", `log_level = "debug"`)
	do("-Rdd", "tunneld")
	tr.refuses("test -e /usr/bin/tunneld", "")
	tr.says("cat /etc/tunneld/profiles/work.toml", "# mine")
}

// On a system whose packages nobody makes, install.sh takes the tar.gz.
func testInstallTar(t *testing.T, dist string) {
	tr := plant(t, dist)
	tr.sh("echo ID=other >/etc/os-release")
	tr.sh(installIt)
	tr.says("ls /usr/local/bin /usr/local/share/man/man5", "/usr/local/bin:\ntunneld\n\n/usr/local/share/man/man5:\ntunneld-profile.5")
	version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(one(t, dist, "*-linux-amd64.tar.gz")), "tunneld-"), "-linux-amd64.tar.gz")
	tr.sh(fmt.Sprintf("tunneld version | grep -F 'tunneld %s ('", version))
	tr.sh(installIt)
}
