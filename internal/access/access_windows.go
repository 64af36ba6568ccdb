package access

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

// change is every right that lets somebody change a file or what is in a folder,
// now or after they gave themselves the right.
const change = windows.FILE_WRITE_DATA | windows.FILE_APPEND_DATA | fileDeleteChild | windows.DELETE |
	windows.WRITE_DAC | windows.WRITE_OWNER | windows.GENERIC_WRITE | windows.GENERIC_ALL

const fileDeleteChild = 0x40 // FILE_DELETE_CHILD

// The kinds of entries that allow something and are laid out alike (winnt.h).
const (
	allowed         = windows.ACCESS_ALLOWED_ACE_TYPE
	allowedCallback = 9 // ACCESS_ALLOWED_CALLBACK_ACE_TYPE
)

// Service returns the SID of the service tunneld.
func Service() (*windows.SID, error) { return windows.StringToSid(ServiceSID(ServiceName)) }

// Me returns whom what this process makes belongs to: the service, where it is
// that, whatever account it runs as; else its account.
func Me() (*windows.SID, error) {
	service, err := Service()
	if err != nil {
		return nil, err
	}
	if is, err := windows.Token(0).IsMember(service); err == nil && is {
		return service, nil
	}
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, err
	}
	return me.User.Sid, nil
}

// IsTrusted reports whether sid is the system's, the administrators', the
// service's or this process's own.
func IsTrusted(sid *windows.SID) (bool, error) {
	for _, known := range []windows.WELL_KNOWN_SID_TYPE{windows.WinLocalSystemSid, windows.WinBuiltinAdministratorsSid} {
		if sid.IsWellKnown(known) {
			return true, nil
		}
	}
	if sid.String() == ServiceSID(ServiceName) || sid.String() == ServiceSID("TrustedInstaller") {
		return true, nil
	}
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	return err == nil && sid.Equals(me.User.Sid), err
}

// Stranger names an account that is not trusted and can change the file or
// folder at path, as its owner or by its access list; "" is nobody.
func Stranger(path string) (string, error) {
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return "", err
	}
	return strangerIn(sd)
}

// StrangeOwner names the owner of the file or folder at path, which made it or
// took it, if it is not trusted; "" is one that is.
func StrangeOwner(path string) (string, error) {
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return "", err
	}
	return strangeOwner(sd)
}

func strangeOwner(sd *windows.SECURITY_DESCRIPTOR) (string, error) {
	owner, _, err := sd.Owner()
	if err != nil {
		return "", err
	}
	if trusted, err := IsTrusted(owner); err != nil || trusted {
		return "", err
	}
	return nameOf(owner), nil
}

func strangerIn(sd *windows.SECURITY_DESCRIPTOR) (string, error) {
	if who, err := strangeOwner(sd); err != nil || who != "" {
		return who, err
	}
	list, _, err := sd.DACL()
	if err != nil {
		return "", err
	}
	if list == nil { // no list at all lets everybody in
		return "everyone", nil
	}
	for i := range uint32(list.AceCount) {
		var entry *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(list, i, &entry); err != nil {
			return "", err
		}
		if who, err := strangerOf(entry); err != nil || who != "" {
			return who, err
		}
	}
	return "", nil
}

// strangerOf names whom an entry allows a change, if that is a stranger.
func strangerOf(entry *windows.ACCESS_ALLOWED_ACE) (string, error) {
	kind, inherited := entry.Header.AceType, entry.Header.AceFlags&windows.INHERIT_ONLY_ACE != 0
	if (kind != allowed && kind != allowedCallback) || inherited || entry.Mask&change == 0 {
		return "", nil
	}
	sid := (*windows.SID)(unsafe.Pointer(&entry.SidStart))
	if sid.IsWellKnown(windows.WinCreatorOwnerSid) || sid.IsWellKnown(windows.WinCreatorOwnerRightsSid) {
		return "", nil // the owner, who is known
	}
	trusted, err := IsTrusted(sid)
	if err != nil || trusted {
		return "", err
	}
	return nameOf(sid), nil
}

// nameOf is DOMAIN\name, or the SID of an account that has none.
func nameOf(sid *windows.SID) string {
	name, domain, _, err := sid.LookupAccount("")
	switch {
	case err != nil:
		return sid.String()
	case domain == "":
		return name
	default:
		return fmt.Sprintf(`%s\%s`, domain, name)
	}
}
