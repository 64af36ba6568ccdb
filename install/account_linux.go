package install

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"tunneld/fault"
	"tunneld/internal/wholefile"
)

const (
	sysusersPath         = "/etc/sysusers.d/tunneld.conf"
	packagedSysusersPath = "/usr/lib/sysusers.d/tunneld.conf"
)

// addAccount makes the account that the machine's service runs as.
func (s Service) addAccount() error {
	path := packagedSysusersPath
	if _, err := os.Stat(path); err != nil {
		path = sysusersPath
		if err := s.writeFile(path, sysusers); err != nil {
			return err
		}
	}
	if _, err := user.Lookup(Name); err == nil {
		return nil
	}
	if out, err := exec.Command("systemd-sysusers", path).CombinedOutput(); err != nil {
		return fault.New(fault.ServiceFailed, "", "systemd-sysusers: %w: %s", err, fault.Clean(string(out))).
			WithHint("make the system account %s yourself, with %s as its home, then install again", Name, stateFolder)
	}
	s.tell("made the account " + Name)
	return nil
}

// writeFile writes a file that all may read, unless it is there as it should be.
func (s Service) writeFile(path, text string) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := wholefile.Write(path, []byte(text), forAll); err != nil {
		return err
	}
	s.tell("wrote " + path)
	return nil
}

// forAll lets all read a file, whatever the umask.
func forAll(f *os.File) error { return f.Chmod(0o644) }

const (
	configFolder = "/etc/tunneld"
	stateFolder  = "/var/lib/tunneld"
)

// makeFolders makes the folders for profiles and keys, which root writes and
// the service reads. One that is there stays as it is.
func (s Service) makeFolders() error {
	group, err := user.LookupGroup(Name)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(group.Gid)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		path string
		mode fs.FileMode
		gid  int
	}{
		{configFolder, 0o755, 0},
		{configFolder + "/profiles", 0o750, gid},
		{configFolder + "/keys", 0o750, gid},
	} {
		if err := s.makeFolder(f.path, f.mode, f.gid); err != nil {
			return err
		}
	}
	return nil
}

func (s Service) makeFolder(path string, mode fs.FileMode, gid int) error {
	err := os.Mkdir(path, 0o700)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err == nil:
		err = errors.Join(os.Chown(path, 0, gid), os.Chmod(path, mode))
	}
	if err == nil {
		s.tell("made " + path)
	}
	return err
}

// hidden are the folders that the unit hides from the service.
var hidden = []string{"/home", "/root", "/run/user", "/tmp", "/var/tmp"}

// checkProgram refuses a program that the service could not see, or that others
// than root could put something else in place of.
func checkProgram(path string) error {
	const hint = "put it where only root writes, and install from there: sudo install tunneld /usr/local/bin/ && sudo /usr/local/bin/tunneld service install"
	for _, dir := range hidden {
		if strings.HasPrefix(path, dir+"/") {
			return fault.New(fault.PermissionDenied, "", "the service would not see %s: its unit hides %s from it", path, dir).WithHint(hint)
		}
	}
	for at := path; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return err
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); !ok || stat.Uid != 0 || info.Mode().Perm()&0o022 != 0 {
			return fault.New(fault.PermissionDenied, "", "others than root can change %s", at).WithHint(hint)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}
