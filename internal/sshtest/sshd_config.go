package sshtest

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// hostKeyFiles are the names of the host keys, in the order of HostKeys.
var hostKeyFiles = []string{"host_ed25519", "host_ecdsa", "host_rsa"}

// config is the whole sshd_config(5): the first value of a keyword wins.
func (d *SSHD) config(program string) []byte {
	first, last := splitMatch(d.extra)
	lines := append(first,
		"ListenAddress "+d.Host,
		fmt.Sprintf("Port %d", d.Port),
		"AuthorizedKeysFile "+d.AuthorizedKeys,
		"PidFile none",
		"UsePAM no",
		"UseDNS no",
		"StrictModes no",
		"PermitRootLogin yes",
		"PasswordAuthentication no",
		"KbdInteractiveAuthentication no",
		"AllowTcpForwarding yes",
		"PrintMotd no",
		"LogLevel VERBOSE",
	)
	for _, name := range hostKeyFiles {
		lines = append(lines, "HostKey "+d.path(name))
	}
	for _, line := range []string{"MaxStartups 1000", "Subsystem sftp internal-sftp"} { // of these the first does not win
		if !slices.ContainsFunc(first, sameKeyword(line)) {
			lines = append(lines, line)
		}
	}
	if hasPenalties(program) {
		lines = append(lines, "PerSourcePenalties no")
	}
	return []byte(strings.Join(append(lines, last...), "\n") + "\n")
}

// sameKeyword tells of a line whether it has the keyword of another.
func sameKeyword(line string) func(string) bool {
	keyword, _, _ := strings.Cut(line, " ")
	return func(other string) bool { return strings.HasPrefix(strings.TrimSpace(other), keyword+" ") }
}

// splitMatch parts lines before the first Match, since a block ends only with
// the next one or the file.
func splitMatch(extra []string) (first, last []string) {
	lines := strings.Split(strings.Join(extra, "\n"), "\n")
	for i, line := range lines {
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "match ") {
			return lines[:i:i], lines[i:]
		}
	}
	return lines, nil
}

var penalties struct {
	once  sync.Once
	known bool
}

// hasPenalties tells whether this sshd knows PerSourcePenalties (9.8 and
// later), which would turn away the tests that fail on purpose.
func hasPenalties(program string) bool {
	penalties.once.Do(func() {
		out, _ := exec.Command(program, "-t", "-f", os.DevNull, "-o", "PerSourcePenalties=no").CombinedOutput()
		penalties.known = !strings.Contains(string(out), "Bad configuration option")
	})
	return penalties.known
}

// ReplaceHostKeys gives the server new host keys, as a machine that was
// installed anew. Live connections stay; KnownHosts keeps the old keys until
// WriteKnownHosts.
func (d *SSHD) ReplaceHostKeys() {
	d.t.Helper()
	d.makeHostKeys()
	d.Reload()
}

// Reload makes the server read its configuration and keys again.
func (d *SSHD) Reload() {
	d.t.Helper()
	before := len(d.Log())
	sendSignal(sigHangUp, d.cmd.Process.Pid)
	if err := d.awaitListening(before, d.exited); err != nil {
		d.t.Fatal(err)
	}
}

// WriteKnownHosts writes the present host keys to the file KnownHosts, for the
// server's address and for the name localhost.
func (d *SSHD) WriteKnownHosts() {
	d.t.Helper()
	writeFile(d.t, d.KnownHosts, knownHostsLines(d.Port, d.HostKeys))
}

func (d *SSHD) makeHostKeys() {
	d.t.Helper()
	keys := []any{newEd25519(d.t), newECDSA(d.t), newRSA(d.t)}
	d.HostKeys = nil
	for i, name := range hostKeyFiles {
		d.HostKeys = append(d.HostKeys, writeKey(d.t, d.path(name), keys[i]))
	}
}

func knownHostsLines(port int, keys []ssh.PublicKey) []byte {
	var text strings.Builder
	names := []string{fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("localhost:%d", port)}
	for _, key := range keys {
		text.WriteString(knownhosts.Line(names, key) + "\n")
	}
	return []byte(text.String())
}
