package shell_test

import (
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"tunneld/internal/sshtest"
	"tunneld/shell"
)

// OpenSSH's server passes signals to the programs of an account that is not
// root's.
func TestSignalOpenSSH(t *testing.T) {
	sshtest.Leaks(t)
	var d *sshtest.SSHD
	if os.Getuid() == 0 {
		d = sshtest.StartAccountSSHD(t, "/bin/sh")
	} else {
		d = sshtest.StartSSHD(t)
	}
	l := serve(t, d.Addr, d.User, d.ClientKey, d.KnownHosts)
	for _, sig := range []ssh.Signal{ssh.SIGTERM, ssh.SIGINT, ssh.SIGHUP, ssh.SIGUSR1} {
		s := start(t, l, shell.Spec{Command: "trap 'echo stopped; exit 7' " + string(sig) + "; echo ready; while :; do sleep 0.05; done"})
		if _, err := io.ReadFull(s.Stdout, make([]byte, len("ready\n"))); err != nil {
			t.Fatal(err)
		}
		if err := s.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if got := finish(t, s, strings.NewReader("")); got.stdout != "stopped\n" || got.exit.Status != 7 || got.err != nil {
			t.Errorf("%s: %+v", sig, got)
		}
	}
}
