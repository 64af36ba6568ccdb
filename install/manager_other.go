//go:build !linux && !windows

package install

import (
	"os"

	"github.com/kardianos/service"

	"tunneld/fault"
)

const (
	administrator = "root"
	privilegeHint = "use sudo"
)

func privileged() bool { return os.Geteuid() == 0 }

// supported says that there is no service for this system yet.
func (s Service) supported() error {
	return fault.New(fault.ServiceFailed, "", "tunneld cannot install itself as a service of %s", service.Platform()).
		WithHint("have it run: tunneld run")
}

func (s Service) config() *service.Config { return &service.Config{Name: Name, Executable: s.Program} }

func (s Service) logHint() string { return "its log may say why" }

// Install says that it is not possible here.
func (s Service) Install() error { return s.supported() }

// Uninstall says that it is not possible here.
func (s Service) Uninstall() error { return s.supported() }

// Status says that it is not possible here.
func (s Service) Status() (State, error) { return State{}, s.supported() }
