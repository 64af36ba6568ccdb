// Package install makes tunneld a service: of the machine, started at boot, or
// of one account.
//
// A [Service] is installed and controlled through the service manager that the
// machine has: systemd, with the units in the folder systemd, which packages
// ship too, or Windows' own. It does not run the service: that is `tunneld run`.
//
// Install and Uninstall may be repeated; they tell of each change, and leave
// profiles, keys and state alone.
package install

import (
	"github.com/kardianos/service"

	"tunneld/fault"
	"tunneld/internal/access"
)

// Name is the service's name, its account's and its group's.
const Name = access.ServiceName

// Service is tunneld as a service. Its fields are set before the first call.
type Service struct {
	// Program is the absolute path of the program that the service runs.
	Program string
	// User makes it the service of the calling account, else of the machine:
	// that takes root or an administrator.
	User bool
	// Account is the account that a service of Windows runs as; "" means its own,
	// NT SERVICE\tunneld. Other systems have one for it.
	Account string
	// Folder is the machine's configuration folder, which Windows' Install makes.
	Folder string
	// Told, if not nil, hears of each change, in words with the path.
	Told func(what string)
}

// State is what the service manager says of the service.
type State struct {
	Installed bool
	Enabled   bool // it starts by itself
	Running   bool
	Detail    string // in the manager's words; often empty
}

// Start starts the service and returns when it is ready, as far as the manager
// knows. A service that runs stays as it is.
func (s Service) Start() error { return s.control("start", start) }

// Stop stops the service and returns when it is over.
func (s Service) Stop() error { return s.control("stop", stop) }

// Restart stops the service, if it runs, and starts it.
func (s Service) Restart() error { return s.control("restart", restart) }

// control does one thing with a service that is installed.
func (s Service) control(verb string, act func(service.Service) error) error {
	if err := s.mayChange(); err != nil {
		return err
	}
	state, err := s.Status()
	switch {
	case err != nil:
		return err
	case !state.Installed:
		return notInstalled(s.flag())
	}
	m, err := s.manager()
	if err != nil {
		return err
	}
	if err := act(m); err != nil {
		return fault.New(fault.ServiceFailed, "", "%s the service: %w", verb, err).WithHint("%s", s.logHint())
	}
	return nil
}

// manager returns what controls the service.
func (s Service) manager() (service.Service, error) {
	return service.New(nil, s.config()) // nobody runs it by way of that package
}

// mayChange says why this account may not install or control the service.
func (s Service) mayChange() error {
	if err := s.supported(); err != nil {
		return err
	}
	if !s.User && !privileged() {
		return fault.New(fault.PermissionDenied, "", "the machine's service is for %s to change", administrator).
			WithHint("%s", privilegeHint)
	}
	return nil
}

func notInstalled(flag string) error {
	return fault.New(fault.ServiceFailed, "", "the service is not installed").WithHint("tunneld service install%s", flag)
}

// flag is how a command line chooses this service.
func (s Service) flag() string {
	if s.User {
		return " --user"
	}
	return ""
}

func (s Service) tell(what string) {
	if s.Told != nil {
		s.Told(what)
	}
}
