package install

import (
	"errors"

	"github.com/kardianos/service"
	"golang.org/x/sys/windows"

	"tunneld/fault"
)

const (
	administrator = "administrators"
	privilegeHint = "use a PowerShell that is run as administrator"
)

func privileged() bool { return windows.GetCurrentProcessToken().IsElevated() }

func supported() error { return nil }

// mayHaveUser says that Windows has no services of an account.
func (s Service) mayHaveUser() error {
	if !s.User {
		return nil
	}
	return fault.New(fault.ServiceFailed, "", "Windows has no service of one account").
		WithHint("install the machine's, or have the task scheduler run: tunneld run --user")
}

func (s Service) config() *service.Config {
	return &service.Config{
		Name: Name, DisplayName: Name, Description: "Keeps SSH tunnels up",
		Executable: s.Program, Arguments: []string{"run", "--system"},
		Option: service.KeyValue{
			"DelayedAutoStart": true,
			"OnFailure":        "restart", "OnFailureDelayDuration": "1s", "OnFailureResetPeriod": 60,
		},
	}
}

func (s Service) logHint() string { return "the Event Log may say why" }

// Install makes the service start by itself from the next boot on. It does not
// start it now.
func (s Service) Install() error {
	if err := errors.Join(s.mayHaveUser(), s.mayChange()); err != nil {
		return err
	}
	state, err := s.Status()
	if err != nil {
		return err
	}
	if state.Installed {
		s.tell("the service " + Name + " is there already")
		return nil
	}
	m, err := s.manager()
	if err != nil {
		return err
	}
	if err := m.Install(); err != nil {
		return fault.New(fault.ServiceFailed, "", "install the service: %w", err)
	}
	s.tell("installed the service " + Name + ", which runs " + s.Program)
	return nil
}

// Uninstall stops the service and takes it away, and nothing else: profiles,
// keys and state stay.
func (s Service) Uninstall() error {
	if err := errors.Join(s.mayHaveUser(), s.mayChange()); err != nil {
		return err
	}
	state, err := s.Status()
	switch {
	case err != nil:
		return err
	case !state.Installed:
		s.tell("the service is not installed")
		return nil
	}
	m, err := s.manager()
	if err != nil {
		return err
	}
	if state.Running {
		err = m.Stop()
	}
	if err = errors.Join(err, m.Uninstall()); err != nil {
		return fault.New(fault.ServiceFailed, "", "uninstall the service: %w", err)
	}
	s.tell("removed the service " + Name)
	return nil
}

// Status returns what Windows says of the service. Any account may ask.
func (s Service) Status() (State, error) {
	if err := s.mayHaveUser(); err != nil {
		return State{}, err
	}
	m, err := s.manager()
	if err != nil {
		return State{}, err
	}
	is, err := m.Status()
	switch {
	case errors.Is(err, service.ErrNotInstalled):
		return State{}, nil
	case err != nil:
		return State{}, fault.New(fault.ServiceFailed, "", "ask for the service: %w", err)
	}
	return State{Installed: true, Enabled: true, Running: is == service.StatusRunning}, nil
}
