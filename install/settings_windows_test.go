package install

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc/mgr"
)

// A service that somebody disabled stays it when it is installed again, as by an
// upgrade; another starts by itself.
func TestInstallAgain(t *testing.T) {
	manager, err := mgr.Connect()
	if err != nil {
		t.Skip("only an administrator installs services: ", err)
	}
	defer manager.Disconnect()
	for before, want := range map[uint32]uint32{
		mgr.StartDisabled: mgr.StartDisabled, mgr.StartManual: mgr.StartAutomatic, mgr.StartAutomatic: mgr.StartAutomatic,
	} {
		name := fmt.Sprintf("%s-test-%d-%d", Name, os.Getpid(), before)
		m, err := manager.CreateService(name, `C:\old.exe`, mgr.Config{StartType: before})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		defer m.Delete()
		told := ""
		s := Service{Program: `C:\new.exe`, Told: func(what string) { told += what }}
		if err := s.change(m); err != nil {
			t.Errorf("%d: %v", before, err)
		}
		is, err := configOf(m)
		if err != nil {
			t.Fatal(err)
		}
		if is.StartType != want || !strings.Contains(windows.UTF16PtrToString(is.BinaryPathName), "new.exe") {
			t.Errorf("%d: start type %d, not %d, or not the new program", before, is.StartType, want)
		}
		if err := setDelayed(m); before == mgr.StartDisabled && err != nil {
			t.Errorf("%d: %v", before, err)
		}
		if strings.Contains(told, "disabled") != (want == mgr.StartDisabled) {
			t.Errorf("%d: told %q", before, told)
		}
	}
}
