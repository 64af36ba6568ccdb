package identity

import (
	"unsafe"

	"golang.org/x/sys/windows"

	"tunneld/fault"
)

// readRights are those of an access mask that let a file be read.
const readRights = windows.FILE_READ_DATA | windows.GENERIC_READ | windows.GENERIC_ALL

// checkPermissions refuses a secret file that everyone on the machine can read;
// what names its contents. Administrators and the system may.
func checkPermissions(path, what string, _ []string) error {
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return fault.New(fault.KeyUnreadable, fault.Auth, "access rights of %s: %w", path, err)
	}
	who, err := widestReader(sd)
	if err != nil {
		return fault.New(fault.KeyUnreadable, fault.Auth, "access rights of %s: %w", path, err)
	}
	if who == "" {
		return nil
	}
	return fault.New(fault.KeyPermissions, fault.Auth, "%s can read the %s %s", who, what, path).
		WithHint(`icacls "%s" /inheritance:r /grant:r "%%USERNAME%%:F" "SYSTEM:F"`, path)
}

// widestReader names a group without boundaries that may read, or "".
func widestReader(sd *windows.SECURITY_DESCRIPTOR) (string, error) {
	dacl, _, err := sd.DACL()
	if err != nil {
		return "", err
	}
	if dacl == nil { // no list at all lets everybody in
		return "everyone", nil
	}
	for i := range uint32(dacl.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(dacl, i, &ace); err != nil {
			return "", err
		}
		if ace.Header.AceType != windows.ACCESS_ALLOWED_ACE_TYPE || ace.Mask&readRights == 0 {
			continue
		}
		sid := (*windows.SID)(unsafe.Pointer(&ace.SidStart))
		switch {
		case sid.IsWellKnown(windows.WinWorldSid):
			return "everyone", nil
		case sid.IsWellKnown(windows.WinBuiltinUsersSid), sid.IsWellKnown(windows.WinAuthenticatedUserSid):
			return "every user", nil
		}
	}
	return "", nil
}
