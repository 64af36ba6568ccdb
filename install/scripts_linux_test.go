//go:build system

package install_test

import "testing"

// broken has every tool of systemd's fail, and write down what was asked of it.
const broken = `mkdir -p /run/systemd/system
for tool in systemctl deb-systemd-helper deb-systemd-invoke; do
	printf '#!/bin/sh\necho "%s $*" >>/asked\nexit 1\n' $tool >/usr/local/sbin/$tool
	chmod 755 /usr/local/sbin/$tool
done`

// A systemd that does nothing of what it is asked keeps no package from coming
// and going.
func TestScriptsWithBrokenSystemd(t *testing.T) {
	tr := plant(t, "packages")
	tr.sh(broken)
	for _, script := range []string{
		"deb/postinst configure", "deb/postinst configure 0.1", "deb/prerm remove", "deb/postrm remove", "deb/postrm purge",
		"rpm/post 1", "rpm/post 2", "rpm/preun 0", "rpm/postun 0",
	} {
		tr.sh("rm -f /asked; sh /dist/" + script + "; test -s /asked")
	}
}

// A removal that is given up leaves the service as it was.
func TestRemovalGivenUp(t *testing.T) {
	tr := plant(t, "packages")
	tr.sh(broken)
	const removal = "rm -f /asked; sh /dist/deb/prerm remove; sh /dist/deb/postinst abort-remove; ! test -e /run/tunneld.stopped"
	tr.sh(removal)
	tr.refuses("grep start /asked", "")
	tr.sh("sed -i 's/exit 1/exit 0/' /usr/local/sbin/*; " + removal)
	tr.says("tail -1 /asked", "deb-systemd-invoke start tunneld.service")
}

// A group that is there already is the account's.
func TestAccountOfAGroup(t *testing.T) {
	tr := plant(t, "packages")
	tr.sh("rm /usr/bin/systemd-sysusers; groupadd --system tunneld; sh /dist/account; sh /dist/account")
	tr.says("id -gn tunneld", "tunneld")
}
