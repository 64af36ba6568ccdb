//go:build system

package install_test

import (
	"os"
	"strings"
	"testing"
)

// The MSI installs files, has our own command make the service, and is one with
// its next versions.
func testMSI(t *testing.T, dist string) {
	msi := one(t, dist, "*-windows-amd64.msi")
	table := func(name string) string { return strings.ReplaceAll(run(t, "msiinfo", "export", msi, name), "\r", "") }
	for name, rows := range map[string][]string{
		"Property": {"UpgradeCode\t{6B0E3A55-8C0B-4F4E-9C0E-0D4B0A3E7C11}", "ALLUSERS\t1", "ProductName\ttunneld"},
		"Upgrade":  {"\t768\t\tOLDER", "\t2\t\tNEWER"},
		"CustomAction": {
			"InstallService\t3090\ttunneld.exe\tservice install", "UninstallService\t3154\ttunneld.exe\tservice uninstall",
			"UndoInstallService\t2130\ttunneld.exe\tservice uninstall", "StartService\t3154\ttunneld.exe\tservice start",
		},
		"InstallExecuteSequence": {
			"RemoveExistingProducts\t\t1501", "StopServices\tVersionNT\t1900", "UninstallService\tREMOVE=\"ALL\" AND NOT UPGRADINGPRODUCTCODE\t3400",
			"InstallService\tNOT REMOVE\t4002", "StartService\tOLDER\t6500", "WriteEnvironmentStrings\t\t5200", "RemoveEnvironmentStrings\t\t3300",
		},
		"Environment":    {"Path\t=-*PATH\t[~];[INSTALLDIR]\tProgram"},
		"ServiceControl": {"StopService\ttunneld\t34\t\t1\tProgram"},
	} {
		text := table(name)
		for _, row := range rows {
			if !strings.Contains(text, row) {
				t.Errorf("%s: no %q in\n%s", name, row, text)
			}
		}
	}

	dir := t.TempDir()
	run(t, "msiextract", "--directory", dir, msi)
	run(t, "unzip", "-q", "-d", dir, one(t, dist, "*-windows-amd64.zip"))
	same(t, one(t, dir, "tunneld-*/tunneld.exe"), found(t, dir, "tunneld.exe"))
	same(t, "../examples/full.toml", found(t, dir, "examples/full.toml"))
}

// found is where msiextract put a file.
func found(t *testing.T, dir, name string) string {
	t.Helper()
	for _, folder := range []string{"/tunneld/", "/Program Files/tunneld/", "/ProgramFiles64Folder/tunneld/"} {
		if _, err := os.Stat(dir + folder + name); err == nil {
			return dir + folder + name
		}
	}
	t.Fatalf("no %s in\n%s", name, run(t, "find", dir))
	return ""
}

// same wants two files with the same bytes.
func same(t *testing.T, a, b string) {
	t.Helper()
	if readFile(t, a) != readFile(t, b) {
		t.Errorf("%s and %s differ", a, b)
	}
}
