package sshtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// The account of StartAccountSSHD.
const (
	accountName = "ana"
	accountID   = 54321
)

// StartAccountSSHD is StartSSHD where an account without privileges logs in, with
// a login shell of its own; sshd treats root's processes in another way. The
// account is made up, and known to this server alone, in a mount namespace. Only
// root can do that.
func StartAccountSSHD(t testing.TB, loginShell string, extra ...string) *SSHD {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can make up an account")
	}
	d := newSSHD(t, accountName, extra)
	home := d.path("home")
	for _, err := range []error{
		os.Chmod(filepath.Dir(d.dir), 0o711), os.Chmod(d.dir, 0o711), os.Chmod(d.AuthorizedKeys, 0o644),
		os.Mkdir(home, 0o700), os.Chown(home, accountID, accountID),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	known, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, d.path("passwd"), fmt.Appendf(known, "%s:x:%d:%[2]d::%s:%s\n", accountName, accountID, home, loginShell))
	if err := os.Chmod(d.path("passwd"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{d.path("run"), d.path("run/sshd")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d.adapt = d.knowAccount
	d.begin()
	return d
}

// Home is the account's home folder, of StartAccountSSHD.
func (d *SSHD) Home() string { return d.path("home") }

// Maintain makes the system of StartAccountSSHD let no new account in, and say so:
// pam_nologin(8). It needs "UsePAM yes".
func (d *SSHD) Maintain(text string) {
	d.t.Helper()
	writeFile(d.t, d.path("run/nologin"), []byte(text+"\n"))
}

// knowAccount makes cmd see the account, and a /run of its own.
func (d *SSHD) knowAccount(cmd *exec.Cmd) {
	const script = `cd "$0" && mount --bind passwd /etc/passwd && mount --bind run /run && exec "$@"`
	again := exec.Command("sh", append([]string{"-c", script, d.dir}, cmd.Args...)...)
	cmd.Path, cmd.Args = again.Path, again.Args
	cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
}
