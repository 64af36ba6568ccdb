package sshtest_test

import (
	"os/exec"
	"strconv"
	"testing"

	"tunneld/internal/sshtest"
)

func TestAccount(t *testing.T) {
	d := sshtest.StartAccountSSHD(t, "/bin/sh")
	out, err := exec.Command("ssh", "-F", "none", "-i", d.ClientKey, "-o", "IdentitiesOnly=yes", "-o", "UserKnownHostsFile="+d.KnownHosts,
		"-p", strconv.Itoa(d.Port), d.User+"@"+d.Host, "id -u; pwd; echo $SHELL").Output()
	if want := "54321\n" + d.Home() + "\n/bin/sh\n"; err != nil || string(out) != want {
		t.Errorf("%q, %v", out, err)
	}
	if exec.Command("id", d.User).Run() == nil {
		t.Errorf("%s is known outside", d.User)
	}
}
