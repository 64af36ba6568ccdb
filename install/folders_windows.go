package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"

	"tunneld/fault"
	"tunneld/internal/access"
)

// What the service may do with a folder and everything in it, in SDDL.
const (
	reads  = "FRFX"
	writes = "0x1301bf" // what icacls calls M: all but changes of owner and list
)

// folders are those of the machine's tunneld, in the order in which they are
// made, with what the service may do. Administrators and the system may do
// everything, and others nothing: profiles can hold commands, keys are keys.
var folders = []struct{ name, service string }{
	{".", reads}, {"profiles", reads}, {"keys", reads}, {"state", writes}, {"logs", writes},
}

// makeFolders makes the folders, and gives those that are there to the
// administrators. What is in them keeps its owner, so that the service can tell a
// stranger's file.
func (s Service) makeFolders() error {
	for _, f := range folders {
		path := filepath.Join(s.Folder, f.name)
		if err := makeFolder(path, f.service); err != nil {
			return fault.New(fault.ServiceFailed, "", "make %s: %w", path, err)
		}
	}
	s.tell("made " + s.Folder + ": administrators write the profiles and keys, the service reads them")
	return nil
}

// checkFolders refuses a folder that a stranger made: before the first install any
// account can, and put there what the service would trust.
func (s Service) checkFolders(ownerOf func(path string) (string, error)) error {
	for _, f := range folders {
		path := filepath.Join(s.Folder, f.name)
		who, err := ownerOf(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fault.New(fault.ServiceFailed, "", "whose folder is %s: %w", path, err)
		case who != "":
			return fault.New(fault.PermissionDenied, "", "%s belongs to %s, who could have put into it what the service would trust", path, who).
				WithHint(`remove it, then install again; or look at all that is in it, then: icacls "%s" /setowner *S-1-5-32-544`, path)
		}
	}
	return nil
}

func makeFolder(path, service string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	if info, err := os.Lstat(path); err != nil || !info.IsDir() { // the list of a link would be its target's
		return errors.Join(errors.New("it is no folder, but leads somewhere else"), err)
	}
	sd, err := windows.SecurityDescriptorFromString(folderAccess(service))
	if err != nil {
		return err
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return err
	}
	list, _, err := sd.DACL()
	if err != nil {
		return err
	}
	const what = windows.OWNER_SECURITY_INFORMATION | windows.DACL_SECURITY_INFORMATION | windows.PROTECTED_DACL_SECURITY_INFORMATION
	return windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, what, owner, nil, list, nil)
}

// folderAccess is a folder's owner and list, which inherits nothing and is
// inherited by all that is in it.
func folderAccess(service string) string {
	return fmt.Sprintf("O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;%s;;;%s)", service, access.ServiceSID(access.ServiceName))
}
