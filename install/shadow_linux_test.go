//go:build system

package install_test

import "testing"

// A package on a machine where another program was installed as the service:
// the unit for that one does not stay in front of the package's.
func TestInstallOfPackageAfterAnother(t *testing.T) {
	m := boot(t)
	const own = "/etc/systemd/system/tunneld.service"
	m.sh("cp /usr/local/bin/tunneld /usr/bin/")
	m.put("/usr/lib/systemd/system/tunneld.service", []byte(readFile(t, "systemd/system/tunneld.service")), 0o644)
	m.put("/usr/lib/sysusers.d/tunneld.conf", []byte(readFile(t, "systemd/sysusers.d/tunneld.conf")), 0o644)
	m.says("/usr/local/bin/tunneld service install", "wrote "+own)

	m.sh("echo '# mine' >>" + own)
	m.fails(1, "/usr/bin/tunneld service install", own, "not as tunneld wrote it", "hint: keep what you need of it")
	m.sh("sed -i '/# mine/d' " + own)
	m.says("/usr/bin/tunneld service install", "is the package's", "removed "+own, "enabled tunneld.service")
	m.says("systemctl show -p FragmentPath,UnitFileState,NeedDaemonReload tunneld",
		"/lib/systemd/system/tunneld.service\n", "UnitFileState=enabled", "NeedDaemonReload=no")
	m.sh("systemctl cat tunneld | grep -x 'ExecStart=/usr/bin/tunneld run --system'")
}
