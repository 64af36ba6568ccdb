package install

import (
	"errors"
	"strings"

	"github.com/kardianos/service"
	"golang.org/x/sys/windows"

	"tunneld/fault"
	"tunneld/internal/access"
)

const (
	administrator = "administrators"
	privilegeHint = "use a PowerShell that is run as administrator"
)

const description = "Keeps SSH tunnels up, by the profiles in ProgramData. tunneld status tells how they are."

func privileged() bool { return windows.GetCurrentProcessToken().IsElevated() }

func (s Service) supported() error { return nil }

// mayHaveUser says that Windows has no services of an account.
func (s Service) mayHaveUser() error {
	if !s.User {
		return nil
	}
	return fault.New(fault.ServiceFailed, "", "Windows has no service of one account").
		WithHint("install the machine's, or have the task scheduler run: tunneld run --user")
}

// config is what kardianos' Install knows to set. It registers the source in the
// Event Log, too, with the message texts of EventCreate.exe.
func (s Service) config() *service.Config {
	return &service.Config{
		Name: Name, DisplayName: Name, Description: description,
		Executable: s.Program, Arguments: arguments(),
		UserName: s.account(),
	}
}

func arguments() []string { return []string{"run", "--system"} }

func (s Service) logHint() string { return "the Event Log says why, under Application, source tunneld" }

// account is whom the service runs as: its own virtual account, which has no
// password and no rights but those that it is given by name.
func (s Service) account() string {
	if s.Account == "" {
		return `NT SERVICE\` + Name
	}
	return s.Account
}

// checkAccount refuses an account that would need its password kept.
func (s Service) checkAccount() error {
	account := strings.ToLower(s.account())
	own := strings.HasPrefix(account, `nt service\`) || strings.HasPrefix(account, `nt authority\`)
	if own || strings.TrimPrefix(account, `.\`) == "localsystem" || strings.HasSuffix(account, "$") {
		return nil
	}
	return fault.New(fault.ServiceFailed, "", "%s has a password, which tunneld does not ask for", s.Account).
		WithHint(`use a managed service account, DOMAIN\NAME$; or install without --account, then: sc.exe config tunneld obj= "%s" password= ...`, s.Account)
}

// Install makes the service start by itself from the next boot on, as little
// privileged as it can be, and protects its folders, of which it refuses one that
// a stranger made. It does not start it now. A service that is there is set anew.
func (s Service) Install() error {
	if err := errors.Join(s.mayHaveUser(), s.mayChange()); err != nil {
		return err
	}
	if err := errors.Join(s.checkAccount(), checkProgram(s.Program), s.checkFolders(access.StrangeOwner)); err != nil {
		return err
	}
	state, err := s.Status()
	if err != nil {
		return err
	}
	if !state.Installed {
		if err := s.create(); err != nil {
			return err
		}
	}
	if err := s.set(state.Installed); err != nil {
		return fault.New(fault.ServiceFailed, "", "set up the service: %w", err)
	}
	return s.makeFolders()
}

func (s Service) create() error {
	m, err := s.manager()
	if err != nil {
		return err
	}
	if err := m.Install(); err != nil {
		return fault.New(fault.ServiceFailed, "", "install the service: %w", err)
	}
	s.tell("installed the service " + Name + ", which runs " + s.Program + " as " + s.account())
	return nil
}

// checkProgram refuses a program that others can replace.
func checkProgram(path string) error {
	who, err := access.Stranger(path)
	if err != nil || who == "" {
		return err
	}
	return fault.New(fault.PermissionDenied, "", "%s can change %s, which the service would run", who, path).
		WithHint(`copy it to a folder of C:\Program Files, and install it from there`)
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
	if err = errors.Join(stop(m), m.Uninstall()); err != nil {
		return fault.New(fault.ServiceFailed, "", "uninstall the service: %w", err)
	}
	s.tell("removed the service " + Name + "; what is in " + s.Folder + " stays")
	return nil
}
