package profiles

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// lockFolder takes the lock of a folder, which lasts until it is closed: a hidden
// file in it that only one may open at a time. It is nil where another has it, and
// where there can be none.
func lockFolder(dir string) (lock *os.File, busy bool) {
	path := filepath.Join(dir, ".edit-lock")
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, false
	}
	h, err := windows.CreateFile(name, windows.GENERIC_WRITE, 0, nil, windows.OPEN_ALWAYS, windows.FILE_ATTRIBUTE_HIDDEN, 0)
	if err != nil {
		return nil, errors.Is(err, windows.ERROR_SHARING_VIOLATION)
	}
	return os.NewFile(uintptr(h), path), false
}

// keepAccess gives the file at to the access list of from. Its owner is who
// writes it.
func keepAccess(from, to string) error {
	old, err := windows.GetNamedSecurityInfo(from, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return fmt.Errorf("read the access list of %s: %w", from, err)
	}
	list, _, err := old.DACL()
	if err != nil {
		return fmt.Errorf("read the access list of %s: %w", from, err)
	}
	control, _, err := old.Control()
	if err != nil {
		return fmt.Errorf("read the access list of %s: %w", from, err)
	}
	inherits := windows.SECURITY_INFORMATION(windows.UNPROTECTED_DACL_SECURITY_INFORMATION)
	if control&windows.SE_DACL_PROTECTED != 0 {
		inherits = windows.PROTECTED_DACL_SECURITY_INFORMATION
	}
	err = windows.SetNamedSecurityInfo(to, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION|inherits, nil, nil, list, nil)
	if err != nil {
		return fmt.Errorf("keep the access list of %s: %w", from, err)
	}
	return nil
}

// shareAccess has nothing to do: the folder's access list is inherited.
func shareAccess(string) error { return nil }
