//go:build system

package install_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The deb in the life of a machine: installed, configured, started, upgraded under
// clients, removed, installed again, purged.
func testDebLife(t *testing.T, dist string) {
	m := boot(t)
	deb := one(t, dist, "*_amd64.deb")
	m.put("/root/earlier.deb", earlierDeb(t, deb), 0o644)
	m.put("/root/tunneld.deb", []byte(readFile(t, deb)), 0o644)
	m.sh("rm /usr/local/bin/tunneld; dpkg -i /root/earlier.deb; systemctl is-enabled tunneld")
	m.fails(3, "systemctl is-active tunneld", "inactive")
	m.says("tunneld version", "0.0.0-earlier")
	m.says("tunneld service install", "tunneld.service is the package's", "enabled tunneld.service")
	m.fails(1, "tunneld service uninstall", "is the package's", "hint: remove the package")

	m.trustServer("/etc/tunneld/keys/work")
	m.sh("chown tunneld /etc/tunneld/keys/work; echo 'log_level = \"debug\"' >>/etc/tunneld/daemon.toml")
	m.put(profile, []byte(workProfile("/etc/tunneld/keys/work", "")), 0o644)
	m.serveEcho()
	m.sh("systemctl start tunneld")
	m.wantPing(here)

	t.Run("upgrade", m.testUpgrade)
	t.Run("remove", m.testRemove)
	t.Run("reboot", m.testReboot)
	t.Run("purge", m.testPurge)
}

// installs is dpkg where nobody answers questions: what was changed here stays.
const installs = "DEBIAN_FRONTEND=noninteractive dpkg --force-confold -i /root/tunneld.deb"

// An upgrade puts the new program in place and refuses nobody.
func (m *machine) testUpgrade(t *testing.T) {
	m.step(t)
	old := m.pid()
	c := m.startClients()
	m.sh("sleep 0.3; " + installs)
	m.awaitRestart(old)
	c.wantAllServed(t, "upgrade")
	if version := m.sh("tunneld version"); strings.Contains(version, "earlier") {
		t.Errorf("version %s", version)
	}
	m.says("cat /etc/tunneld/daemon.toml", `log_level = "debug"`, "# earlier")
	m.says("readlink /proc/$(systemctl show -p MainPID --value tunneld)/exe; ls /run/tunneld", "/usr/bin/tunneld", "tunneld.sock")
	m.fails(1, "readlink /proc/$(systemctl show -p MainPID --value tunneld)/exe | grep deleted")
}

// A package that is removed leaves what was configured, and comes back to it.
func (m *machine) testRemove(t *testing.T) {
	m.step(t)
	m.sh("dpkg --remove tunneld")
	m.fails(1, "systemctl cat tunneld", "No files found")
	m.sh("test ! -e /usr/bin/tunneld; test ! -e /run/tunneld; test -s " + profile + "; test -s /etc/tunneld/keys/work; grep debug /etc/tunneld/daemon.toml; test -d /var/lib/tunneld")
	if err := m.connect(here); err == nil {
		t.Error("the port is still there")
	}
	m.sh(installs + "; systemctl is-enabled tunneld; systemctl start tunneld")
	m.wantPing(here)
}

// A package that is purged leaves nothing but the account, while it runs, too.
func (m *machine) testPurge(t *testing.T) {
	m.step(t)
	m.sh("dpkg --purge tunneld")
	if err := m.connect(here); err == nil {
		t.Error("the port is still there")
	}
	if left := m.sh("find / -xdev -name '*tunneld*' -not -path '/root/*' -not -path '/proc/*' -not -path '/var/log/*'; find /run -name '*tunneld*'; systemctl --failed --no-legend"); left != "" {
		t.Errorf("left:\n%s", left)
	}
	m.sh("id tunneld")
}

// earlierDeb returns the package of an earlier version, with another program and
// other settings.
func earlierDeb(t *testing.T, deb string) []byte {
	t.Helper()
	dir := t.TempDir()
	inDir := func(script string) { run(t, "sh", "-ec", "cd "+dir+"; "+script, "sh", deb) }
	inDir(`ar x "$1"; gunzip data.tar.gz control.tar.gz`)
	rewrite(t, dir+"/control.tar", "./control", func(text []byte) []byte {
		return regexp.MustCompile("(?m)^Version: .*").ReplaceAll(text, []byte("Version: 0.0.0~earlier"))
	})
	rewrite(t, dir+"/data.tar", "./etc/tunneld/daemon.toml", func(text []byte) []byte {
		return append(text, "# earlier\n"...)
	})
	rewrite(t, dir+"/data.tar", "./usr/bin/tunneld", func([]byte) []byte {
		return build(t, "-ldflags=-X main.stamped=0.0.0-earlier")
	})
	inDir("gzip -1 data.tar control.tar; ar rc earlier.deb debian-binary control.tar.gz data.tar.gz")
	return []byte(readFile(t, dir+"/earlier.deb"))
}

// rewrite changes the text of one file in a tar.
func rewrite(t *testing.T, path, file string, change func([]byte) []byte) {
	t.Helper()
	from := tar.NewReader(strings.NewReader(readFile(t, path)))
	var to bytes.Buffer
	w := tar.NewWriter(&to)
	for {
		header, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(from)
		if header.Name == file {
			text = change(text)
			header.Size = int64(len(text))
		}
		if err := errors.Join(err, w.WriteHeader(header)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), os.WriteFile(path, to.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
}
