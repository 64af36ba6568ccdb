package install_test

import (
	"os"
	"strings"
	"testing"
)

// The account that packages make before their files come is the one that
// systemd-sysusers makes.
func TestPackagesMakeTheAccount(t *testing.T) {
	script, err := os.ReadFile("packages/account")
	if err != nil {
		t.Fatal(err)
	}
	conf, err := os.ReadFile("systemd/sysusers.d/tunneld.conf")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(conf)), "\n")
	if account := lines[len(lines)-1]; !strings.Contains(string(script), "echo '"+account+"' |") {
		t.Errorf("packages/account does not make %q", account)
	}
}
