//go:build system

package install_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// entries are what a package holds: by path, its mode, owner and group.
type entries map[string]string

// packaged is what every package of Linux holds, apart from what it shares
// with few others.
var packaged = entries{
	"/usr/bin/tunneld":                                       "-rwxr-xr-x root:root",
	"/etc/tunneld":                                           "drwxr-xr-x root:root",
	"/etc/tunneld/profiles":                                  "drwxr-x--- root:tunneld",
	"/etc/tunneld/keys":                                      "drwxr-x--- root:tunneld",
	"/etc/tunneld/daemon.toml":                               "-rw-r--r-- root:root",
	"/usr/lib/systemd/system/tunneld.service":                "-rw-r--r-- root:root",
	"/usr/lib/systemd/user/tunneld.service":                  "-rw-r--r-- root:root",
	"/usr/lib/sysusers.d/tunneld.conf":                       "-rw-r--r-- root:root",
	"/usr/share/bash-completion/completions/tunneld":         "-rw-r--r-- root:root",
	"/usr/share/fish/vendor_completions.d/tunneld.fish":      "-rw-r--r-- root:root",
	"/usr/share/man/man1/tunneld.1.gz":                       "-rw-r--r-- root:root",
	"/usr/share/man/man1/tunneld-service-install.1.gz":       "-rw-r--r-- root:root",
	"/usr/share/man/man5/tunneld-profile.5.gz":               "-rw-r--r-- root:root",
	"/usr/share/doc/tunneld/README.md":                       "-rw-r--r-- root:root",
	"/usr/share/doc/tunneld/CHANGELOG.md":                    "-rw-r--r-- root:root",
	"/usr/share/doc/tunneld/copyright":                       "-rw-r--r-- root:root",
	"/usr/share/doc/tunneld/examples/full.toml":              "-rw-r--r-- root:root",
	"/usr/share/doc/tunneld/examples/through-a-bastion.toml": "-rw-r--r-- root:root",
}

// Every package opened, and one installed, from two runs that give the same.
func TestPackages(t *testing.T) {
	dist, again := makePackages(t), makePackages(t)
	sums := readFile(t, dist+"/SHA256SUMS")
	if sums != readFile(t, again+"/SHA256SUMS") {
		t.Errorf("twice is not the same:\n%s\n%s", sums, readFile(t, again+"/SHA256SUMS"))
	}
	run(t, "sh", "-c", "cd "+dist+" && sha256sum --check --strict --quiet SHA256SUMS")
	if files, _ := filepath.Glob(dist + "/*"); len(files) != strings.Count(sums, "\n")+1 {
		t.Errorf("%d files, and\n%s", len(files), sums)
	}
	t.Run("deb", func(t *testing.T) { testDeb(t, dist) })
	t.Run("rpm", func(t *testing.T) { testRPM(t, dist) })
	t.Run("archlinux", func(t *testing.T) { testArchlinux(t, dist) })
	t.Run("apk", func(t *testing.T) { testAPK(t, dist) })
	t.Run("msi", func(t *testing.T) { testMSI(t, dist) })
	t.Run("archives", func(t *testing.T) { testArchives(t, dist) })
	t.Run("install deb", func(t *testing.T) { testInstallDeb(t, dist) })
	t.Run("deb on a machine", func(t *testing.T) { testDebLife(t, dist) })
	t.Run("install rpm", func(t *testing.T) { testInstallRPM(t, dist) })
	t.Run("install archlinux", func(t *testing.T) { testInstallArchlinux(t, dist) })
	t.Run("install tar", func(t *testing.T) { testInstallTar(t, dist) })
}

// makePackages does what make packages does, in another folder.
func makePackages(t *testing.T) string {
	t.Helper()
	dist := filepath.Join(t.TempDir(), "dist")
	run(t, "../scripts/packages", dist)
	return dist
}

func testDeb(t *testing.T, dist string) {
	for _, arch := range []string{"amd64", "arm64"} {
		deb := one(t, dist, "*_"+arch+".deb")
		e := tarEntries(t, strings.NewReader(run(t, "dpkg-deb", "--fsys-tarfile", deb)))
		e.want(t, "/usr/share/zsh/vendor-completions/_tunneld")
		if got := run(t, "dpkg-deb", "--field", deb, "Architecture"); got != arch+"\n" {
			t.Errorf("architecture %q", got)
		}
		for control, source := range map[string]string{
			"preinst": "account", "postinst": "deb/postinst", "prerm": "deb/prerm", "postrm": "deb/postrm",
		} {
			if run(t, "dpkg-deb", "--info", deb, control) != readFile(t, "packages/"+source) {
				t.Errorf("%s is not %s", control, source)
			}
		}
		if got := run(t, "dpkg-deb", "--info", deb, "conffiles"); got != "/etc/tunneld/daemon.toml\n" {
			t.Errorf("conffiles %q", got)
		}
	}
}

func testRPM(t *testing.T, dist string) {
	for _, arch := range []string{"x86_64", "aarch64"} {
		rpm := one(t, dist, "*."+arch+".rpm")
		e := entries{}
		for line := range strings.Lines(query(t, rpm, `[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILENAMES}\n]`)) {
			mode, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			owner, path, _ := strings.Cut(rest, " ")
			e[path] = mode + " " + owner
		}
		e.want(t, "/usr/share/zsh/site-functions/_tunneld")
		for tag, source := range map[string]string{"PREIN": "account", "POSTIN": "rpm/post", "PREUN": "rpm/preun", "POSTUN": "rpm/postun"} {
			if query(t, rpm, "%{"+tag+"}") != readFile(t, "packages/"+source) {
				t.Errorf("%s is not %s", tag, source)
			}
		}
		if got := query(t, rpm, `[%{FILEFLAGS:fflags} %{FILENAMES}\n]`); !strings.Contains(got, "cn /etc/tunneld/daemon.toml\n") {
			t.Errorf("flags:\n%s", got)
		}
	}
}

func query(t *testing.T, rpm, format string) string {
	t.Helper()
	return run(t, "rpm", "--query", "--package", "--queryformat", format, rpm)
}

func testArchlinux(t *testing.T, dist string) {
	for _, arch := range []string{"x86_64", "aarch64"} {
		all := run(t, "zstd", "--decompress", "--stdout", one(t, dist, "*-"+arch+".pkg.tar.zst"))
		e := tarEntries(t, strings.NewReader(all))
		e.want(t, "/usr/share/zsh/site-functions/_tunneld")
		if info := tarFile(t, all, ".PKGINFO"); !strings.Contains(info, "\nbackup = etc/tunneld/daemon.toml\n") || !strings.Contains(info, "arch = "+arch+"\n") {
			t.Errorf(".PKGINFO:\n%s", info)
		}
		script := tarFile(t, all, ".INSTALL")
		for function, source := range map[string]string{
			"pre_install": "account", "pre_upgrade": "account", "post_install": "archlinux/post_install", "post_upgrade": "archlinux/post_upgrade", "pre_remove": "archlinux/pre_remove",
		} {
			if !strings.Contains(script, "function "+function+"() {\n"+readFile(t, "packages/"+source)) {
				t.Errorf("%s is not %s", function, source)
			}
		}
	}
}

func testAPK(t *testing.T, dist string) {
	for _, arch := range []string{"x86_64", "aarch64"} {
		file, err := os.Open(one(t, dist, "*_"+arch+".apk"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		unpacked, err := gzip.NewReader(file)
		if err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(unpacked)
		if err != nil {
			t.Fatal(err)
		}
		e := tarEntries(t, bytes.NewReader(all))
		e.want(t, "/usr/share/zsh/site-functions/_tunneld")
		if e["/etc/init.d/tunneld"] != "-rwxr-xr-x root:root" {
			t.Errorf("/etc/init.d/tunneld: %q", e["/etc/init.d/tunneld"])
		}
		for _, script := range []string{"pre-install", "post-upgrade", "pre-deinstall"} {
			if tarFile(t, string(all), "."+script) != readFile(t, "packages/apk/"+script) {
				t.Errorf(".%s is another", script)
			}
		}
	}
}

// The archives hold the program, what comes with it, and nothing of a person.
func testArchives(t *testing.T, dist string) {
	for system, program := range map[string]string{"linux": "tunneld", "darwin": "tunneld"} {
		for _, arch := range []string{"amd64", "arm64"} {
			archive := one(t, dist, "*-"+system+"-"+arch+".tar.gz")
			top := "/" + strings.TrimSuffix(filepath.Base(archive), ".tar.gz") + "/"
			e := tarEntries(t, strings.NewReader(run(t, "gzip", "-dc", archive)))
			for _, name := range []string{"README.md", "copyright", "man/man1/tunneld.1", "completions/_tunneld", "examples/full.toml"} {
				if e[top+name] != "-rw-r--r-- root:root" {
					t.Errorf("%s: %s: %q", archive, name, e[top+name])
				}
			}
			if e[top+program] != "-rwxr-xr-x root:root" {
				t.Errorf("%s: the program: %q", archive, e[top+program])
			}
		}
	}
	for _, arch := range []string{"amd64", "arm64"} {
		archive := one(t, dist, "*-windows-"+arch+".zip")
		list := run(t, "unzip", "-Z1", archive)
		for _, name := range []string{"tunneld.exe", "README.md", "copyright", "completions/tunneld.ps1", "examples/full.toml"} {
			if !strings.Contains(list, "/"+name+"\n") {
				t.Errorf("%s lacks %s", archive, name)
			}
		}
	}
}

// want wants what every package of Linux holds, and one file more.
func (e entries) want(t *testing.T, more string) {
	t.Helper()
	if e[more] != "-rw-r--r-- root:root" {
		t.Errorf("%s: %q", more, e[more])
	}
	for path, want := range packaged {
		if e[path] != want {
			t.Errorf("%s: %q, want %q", path, e[path], want)
		}
	}
	for path, is := range e {
		if strings.HasPrefix(path, "/etc/") && strings.HasSuffix(path, ".toml") && path != "/etc/tunneld/daemon.toml" {
			t.Errorf("%s is a profile that nobody asked for", path)
		}
		if is[5] == 'w' && is[8] == 'w' || strings.Contains(is, "s") {
			t.Errorf("%s: %s is too much", path, is)
		}
	}
}

// tarEntries are the entries of a tar, whose paths begin with / here.
func tarEntries(t *testing.T, r io.Reader) entries {
	t.Helper()
	e := entries{}
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		switch {
		case errors.Is(err, io.EOF):
			return e
		case err != nil:
			t.Fatal(err)
		}
		owner, group := h.Uname, h.Gname
		if owner == "" && h.Uid == 0 {
			owner = "root"
		}
		if group == "" && h.Gid == 0 {
			group = "root"
		}
		path := filepath.Join("/", h.Name)
		e[path] = fmt.Sprintf("%s %s:%s", h.FileInfo().Mode(), owner, group)
	}
}

// tarFile is a file of a tar.
func tarFile(t *testing.T, all, name string) string {
	t.Helper()
	for in := tar.NewReader(strings.NewReader(all)); ; {
		h, err := in.Next()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if h.Name == name {
			text, err := io.ReadAll(in)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
	}
}

// one is the one file of a folder that matches.
func one(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(dir, pattern))
	if len(found) != 1 {
		t.Fatalf("%s: %q", pattern, found)
	}
	return found[0]
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// run is the output of a program that must succeed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, errs.Bytes())
	}
	return string(out)
}
