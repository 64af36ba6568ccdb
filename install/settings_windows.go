package install

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf16"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc/mgr"
)

// shutdownTime is how long Windows waits for the service when it shuts down: a
// little more than the service takes at most.
const shutdownTime = 15 * time.Second

// privileges are all that the service needs: to pass through folders.
var privileges = []string{"SeChangeNotifyPrivilege"}

// recovery is what Windows does after the first, the second, and each further
// failure within a day.
var recovery = []mgr.RecoveryAction{
	{Type: mgr.ServiceRestart, Delay: 5 * time.Second},
	{Type: mgr.ServiceRestart, Delay: 30 * time.Second},
	{Type: mgr.ServiceRestart, Delay: time.Minute},
}

const recoveryReset = 24 * time.Hour

// setting is one of the things that Windows keeps of a service beside its program.
type setting struct {
	name string
	set  func(*mgr.Service) error
}

var settings = []setting{
	{"delayed start", setDelayed},
	{"restart after a failure", func(m *mgr.Service) error {
		return m.SetRecoveryActions(recovery, uint32(recoveryReset.Seconds()))
	}},
	{"restart after an error", func(m *mgr.Service) error { return m.SetRecoveryActionsOnNonCrashFailures(true) }},
	{"time for the shutdown", func(m *mgr.Service) error {
		return configure(m, windows.SERVICE_CONFIG_PRESHUTDOWN_INFO, uint32(shutdownTime.Milliseconds()))
	}},
	{"the service's own SID", func(m *mgr.Service) error {
		return configure(m, windows.SERVICE_CONFIG_SERVICE_SID_INFO, uint32(windows.SERVICE_SID_TYPE_UNRESTRICTED))
	}},
	{"few privileges", setPrivileges},
}

// set gives the service its settings, and where it was there before, the program
// and the account. What this Windows does not know is told, and left out.
func (s Service) set(before bool) error {
	manager, err := mgr.Connect()
	if err != nil {
		return err
	}
	defer manager.Disconnect()
	m, err := manager.OpenService(Name)
	if err != nil {
		return err
	}
	defer m.Close()
	if before {
		if err := s.change(m); err != nil {
			return err
		}
		s.tell("the service " + Name + " is there already: set anew, to run " + s.Program)
	}
	for _, setting := range settings {
		err := setting.set(m)
		switch {
		case errors.Is(err, windows.ERROR_INVALID_LEVEL) || errors.Is(err, windows.ERROR_CALL_NOT_IMPLEMENTED):
			s.tell("left out, since this system does not know it: " + setting.name)
		case err != nil:
			return fmt.Errorf("%s: %w", setting.name, err)
		}
	}
	return nil
}

// change gives a service that is there the program, the automatic start unless
// somebody disabled it and, where one was named, the account.
func (s Service) change(m *mgr.Service) error {
	command, err := windows.UTF16PtrFromString(windows.ComposeCommandLine(append([]string{s.Program}, arguments()...)))
	if err != nil {
		return err
	}
	var account *uint16 // nil leaves it
	if s.Account != "" {
		if account, err = windows.UTF16PtrFromString(s.Account); err != nil {
			return err
		}
	}
	is, err := configOf(m)
	if err != nil {
		return err
	}
	const same = windows.SERVICE_NO_CHANGE
	starts := uint32(mgr.StartAutomatic)
	if is.StartType == mgr.StartDisabled {
		starts = same
		s.tell("the service is disabled, and stays it until: sc.exe config " + Name + " start= delayed-auto")
	}
	return windows.ChangeServiceConfig(m.Handle, same, starts, same, command, nil, nil, nil, account, nil, nil)
}

// setDelayed has a service that starts by itself start after the others.
func setDelayed(m *mgr.Service) error {
	is, err := configOf(m)
	if err != nil || is.StartType != mgr.StartAutomatic {
		return err
	}
	return configure(m, windows.SERVICE_CONFIG_DELAYED_AUTO_START_INFO, windows.SERVICE_DELAYED_AUTO_START_INFO{IsDelayedAutoStartUp: 1})
}

func setPrivileges(m *mgr.Service) error {
	names := multiString(privileges...)
	return configure(m, windows.SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO, struct{ names *uint16 }{&names[0]})
}

// multiString is a list as Windows takes it: each ends with 0, and all of them
// with another.
func multiString(names ...string) []uint16 {
	var list []uint16
	for _, name := range names {
		list = append(append(list, utf16.Encode([]rune(name))...), 0)
	}
	return append(list, 0)
}

// configure sets what ChangeServiceConfig2 knows by a number, in its structure.
func configure[T any](m *mgr.Service, what uint32, info T) error {
	return windows.ChangeServiceConfig2(m.Handle, what, (*byte)(unsafe.Pointer(&info)))
}
