package install

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/kardianos/service"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"

	"tunneld/fault"
)

// Windows only takes a request to start or stop. How long its end may take, and
// how often it is looked for.
const (
	controlTime = 30 * time.Second
	look        = 100 * time.Millisecond
)

func start(m service.Service) error {
	if err := await(func(is svc.Status) (bool, error) { return is.State != svc.StopPending, nil }); err != nil {
		return err
	}
	if err := m.Start(); err != nil && !errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
		return err
	}
	return await(isRunning)
}

// isRunning fails when the service did. One that is stopped without an exit code
// is only about to start.
func isRunning(is svc.Status) (bool, error) {
	if is.State == svc.Stopped && is.Win32ExitCode != 0 {
		return false, fmt.Errorf("it ended at once, with exit code %d", exitCode(is))
	}
	return is.State == svc.Running, nil
}

// stop does not use kardianos' Stop, which waits for ever. A service that begins
// or ends takes no request.
func stop(service.Service) error {
	err := await(func(is svc.Status) (bool, error) {
		return is.State != svc.StartPending && is.State != svc.StopPending, nil
	})
	if err != nil {
		return err
	}
	err = withService(windows.SERVICE_STOP|windows.SERVICE_QUERY_STATUS, func(m *mgr.Service) error {
		_, err := m.Control(svc.Stop)
		return err
	})
	if err != nil && !errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) {
		return err
	}
	return await(func(is svc.Status) (bool, error) { return is.State == svc.Stopped, nil })
}

func restart(m service.Service) error { return errors.Join(stop(m), start(m)) }

// await waits until the service is as wanted, or that fails.
func await(wanted func(svc.Status) (bool, error)) error {
	return withService(windows.SERVICE_QUERY_STATUS, func(m *mgr.Service) error {
		deadline := time.Now().Add(controlTime)
		for {
			is, err := m.Query()
			if err != nil {
				return err
			}
			if done, err := wanted(is); done || err != nil {
				return err
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("it takes longer than %v", controlTime)
			}
			time.Sleep(look)
		}
	})
}

// exitCode is the service's own, where it gave one.
func exitCode(s svc.Status) uint32 {
	if s.Win32ExitCode == uint32(windows.ERROR_SERVICE_SPECIFIC_ERROR) {
		return s.ServiceSpecificExitCode
	}
	return s.Win32ExitCode
}

// withService opens the service for what rights allow, which for a question is
// every account's.
func withService(rights uint32, do func(*mgr.Service) error) error {
	manager, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return err
	}
	defer windows.CloseServiceHandle(manager)
	name, err := windows.UTF16PtrFromString(Name)
	if err != nil {
		return err
	}
	handle, err := windows.OpenService(manager, name, rights)
	if err != nil {
		return err
	}
	defer windows.CloseServiceHandle(handle)
	return do(&mgr.Service{Name: Name, Handle: handle})
}

// Status returns what Windows says of the service. Any account may ask.
func (s Service) Status() (State, error) {
	if err := s.mayHaveUser(); err != nil {
		return State{}, err
	}
	state := State{Installed: true}
	err := withService(windows.SERVICE_QUERY_STATUS|windows.SERVICE_QUERY_CONFIG, func(m *mgr.Service) error {
		is, err := m.Query()
		if err != nil {
			return err
		}
		state.Running = is.State == svc.Running
		return state.configured(m)
	})
	switch {
	case errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST):
		return State{}, nil
	case err != nil:
		return State{}, fault.New(fault.ServiceFailed, "", "ask for the service: %w", err)
	}
	return state, nil
}

// configured fills in what the service is set to.
func (s *State) configured(m *mgr.Service) error {
	config, err := configOf(m)
	if err != nil {
		return err
	}
	s.Enabled = config.StartType == mgr.StartAutomatic
	s.Detail = "as " + windows.UTF16PtrToString(config.ServiceStartName)
	return nil
}

// configOf is what every Windows knows of a service; [mgr.Service.Config] asks
// for more.
func configOf(m *mgr.Service) (*windows.QUERY_SERVICE_CONFIG, error) {
	buffer := make([]uint64, 1<<10) // 8 KiB, the most that QueryServiceConfig takes, aligned
	config := (*windows.QUERY_SERVICE_CONFIG)(unsafe.Pointer(&buffer[0]))
	var needed uint32
	err := windows.QueryServiceConfig(m.Handle, config, uint32(8*len(buffer)), &needed)
	return config, err
}
