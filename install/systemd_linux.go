package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/kardianos/service"

	"tunneld/fault"
)

const (
	unitName      = Name + ".service"
	administrator = "root"
	privilegeHint = "use sudo, or --user for a service of your own"
)

// Where packages keep the unit.
var packagedUnits = []string{"/usr/lib/systemd/system/", "/lib/systemd/system/"}

func privileged() bool { return os.Geteuid() == 0 }

// supported says so where the machine has another init.
func (s Service) supported() error {
	if service.Platform() == "linux-systemd" {
		return nil
	}
	hint := "have its own init run, as an account of its own: tunneld run --system"
	if s.User {
		hint = "have what starts your programs at login run: tunneld run"
	}
	first, _ := os.ReadFile("/proc/1/comm") // without it the message says less
	return fault.New(fault.ServiceFailed, "", "this machine is not run by systemd: its first process is %q", strings.TrimSpace(string(first))).
		WithHint("%s", hint)
}

func (s Service) config() *service.Config {
	return &service.Config{
		Name: Name, Executable: s.Program,
		Option: service.KeyValue{"SystemdScript": s.unit(), "UserService": s.User},
	}
}

func (s Service) logHint() string {
	if s.User {
		return "journalctl --user -u tunneld says why"
	}
	return "journalctl -u tunneld says why"
}

// unitPath is where Install puts the unit.
func (s Service) unitPath() (string, error) {
	if !s.User {
		return "/etc/systemd/system/" + unitName, nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".config/systemd/user", unitName), err
}

// Install makes the service start by itself from the next boot, or login, on.
// It does not start it now.
func (s Service) Install() error {
	if err := s.mayChange(); err != nil {
		return err
	}
	if !s.User {
		if err := s.prepareMachine(); err != nil {
			return err
		}
	}
	if path := s.packaged(); path != "" {
		s.tell(path + " is the package's")
		if err := s.removeShadow(); err != nil {
			return err
		}
		return s.enable()
	}
	return s.writeUnit()
}

// prepareMachine makes what the machine's service needs beside its unit.
func (s Service) prepareMachine() error {
	if err := checkProgram(s.Program); err != nil {
		return err
	}
	if err := s.addAccount(); err != nil {
		return err
	}
	return s.makeFolders()
}

// packaged is the path of a package's unit, or "".
func (s Service) packaged() string {
	if s.User || s.Program != packagedProgram {
		return ""
	}
	for _, dir := range packagedUnits {
		if _, err := os.Stat(dir + unitName); err == nil {
			return dir + unitName
		}
	}
	return ""
}

// removeShadow takes away the unit of an earlier Install of another program:
// systemd would take it instead of the package's.
func (s Service) removeShadow() error {
	path, err := s.unitPath()
	if err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !isOurUnit(string(old)):
		return fault.New(fault.ServiceFailed, "", "systemd takes %s instead of the package's unit, and it is not as tunneld wrote it", path).
			WithHint("keep what you need of it with: systemctl edit tunneld; remove it, and install again")
	}
	if err := systemctl(s.User, "disable", unitName); err != nil { // its links lead to the unit
		return err
	}
	if err := s.removeFile(path); err != nil {
		return err
	}
	return s.removeFile(sysusersPath)
}

func (s Service) enable() error {
	if err := systemctl(s.User, "enable", unitName); err != nil {
		return err
	}
	s.tell("enabled " + unitName)
	return nil
}

// writeUnit writes the unit, unless it is there as it should be, and enables it.
func (s Service) writeUnit() error {
	path, err := s.unitPath()
	if err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	switch {
	case err == nil && string(old) == s.unit():
		s.tell(path + " is there already")
		return s.enable()
	case err == nil: // Install below wants none
		err = os.Remove(path)
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return err
	}
	m, err := s.manager()
	if err != nil {
		return err
	}
	if err := m.Install(); err != nil {
		return fault.New(fault.ServiceFailed, "", "install the service: %w", err)
	}
	s.tell("wrote " + path)
	s.tell("enabled " + unitName)
	return nil
}

// Uninstall stops the service and takes it away, and nothing else: profiles,
// keys, state and the account stay.
func (s Service) Uninstall() error {
	if err := s.mayChange(); err != nil {
		return err
	}
	path, err := s.unitPath()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return s.uninstallOther()
	}
	m, err := s.manager()
	if err != nil {
		return err
	}
	if err := m.Stop(); err != nil {
		return fault.New(fault.ServiceFailed, "", "stop the service: %w", err).WithHint("%s", s.logHint())
	}
	if err := m.Uninstall(); err != nil {
		return fault.New(fault.ServiceFailed, "", "uninstall the service: %w", err)
	}
	s.tell("removed " + path)
	if s.User {
		return nil
	}
	return s.removeFile(sysusersPath)
}

// uninstallOther answers where Install wrote nothing.
func (s Service) uninstallOther() error {
	if path := s.packaged(); path != "" {
		return fault.New(fault.ServiceFailed, "", "%s is the package's", path).
			WithHint("remove the package, or: systemctl disable --now tunneld")
	}
	s.tell("the service is not installed")
	return nil
}

func (s Service) removeFile(path string) error {
	err := os.Remove(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil:
		s.tell("removed " + path)
	}
	return err
}

// Status returns what systemd says of the service. Any account may ask.
func (s Service) Status() (State, error) {
	if err := s.supported(); err != nil {
		return State{}, err
	}
	out, err := systemctlOutput(s.User, "show", "-p", "LoadState,UnitFileState,ActiveState,SubState,StatusText", unitName)
	if err != nil {
		return State{}, err
	}
	shown := map[string]string{}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		shown[key] = value
	}
	state := State{
		Installed: shown["LoadState"] == "loaded",
		Enabled:   strings.HasPrefix(shown["UnitFileState"], "enabled"),
		Running:   shown["ActiveState"] == "active" || shown["ActiveState"] == "reloading",
		Detail:    fmt.Sprintf("%s (%s)", shown["ActiveState"], shown["SubState"]),
	}
	if shown["StatusText"] != "" {
		state.Detail += ": " + shown["StatusText"]
	}
	return state, nil
}

func systemctl(user bool, args ...string) error {
	_, err := systemctlOutput(user, args...)
	return err
}

func systemctlOutput(user bool, args ...string) (string, error) {
	if user {
		args = append([]string{"--user"}, args...)
	}
	out, err := exec.Command("systemctl", args...).CombinedOutput()
	if err != nil {
		return "", fault.New(fault.ServiceFailed, "", "systemctl %s: %w: %s", strings.Join(args, " "), err, fault.Clean(string(out)))
	}
	return string(out), nil
}
