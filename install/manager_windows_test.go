package install

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unsafe"

	"golang.org/x/sys/windows"

	"tunneld/fault"
	"tunneld/internal/access"
)

func TestAccounts(t *testing.T) {
	for account, fits := range map[string]bool{
		"": true, `NT SERVICE\tunneld`: true, `nt authority\LocalService`: true, "LocalSystem": true, `.\LocalSystem`: true,
		`LAB\tunnels$`: true, `LAB\ana`: false, `.\ana`: false, "ana": false, `LAB\LocalSystem`: false,
	} {
		err := Service{Account: account}.checkAccount()
		if (err == nil) != fits || (err != nil && (fault.HintOf(err) == "" || !strings.Contains(err.Error(), account))) {
			t.Errorf("%q: %v", account, err)
		}
	}
	if got := (Service{}).account(); got != `NT SERVICE\tunneld` {
		t.Errorf("the service runs as %s", got)
	}
}

// The lists are what Windows understands, inherit nothing, and let only the
// administrators, the system and the service in.
func TestFolderAccess(t *testing.T) {
	const modify = 0x1301bf
	for _, f := range folders {
		sd, err := windows.SecurityDescriptorFromString(folderAccess(f.service))
		if err != nil {
			t.Fatal(f.name, err)
		}
		if control, _, err := sd.Control(); err != nil || control&windows.SE_DACL_PROTECTED == 0 {
			t.Errorf("%s inherits: %#x %v", f.name, control, err)
		}
		list, _, err := sd.DACL()
		if err != nil || list.AceCount != 3 {
			t.Fatal(f.name, list, err)
		}
		for i := range uint32(list.AceCount) {
			var entry *windows.ACCESS_ALLOWED_ACE
			if err := windows.GetAce(list, i, &entry); err != nil {
				t.Fatal(err)
			}
			sid := (*windows.SID)(unsafe.Pointer(&entry.SidStart))
			if trusted, err := access.IsTrusted(sid); err != nil || !trusted {
				t.Errorf("%s is for %s, too", f.name, sid)
			}
			isService := sid.String() == access.ServiceSID(Name)
			if writes := entry.Mask&windows.FILE_WRITE_DATA != 0; isService && writes != slices.Contains([]string{"state", "logs"}, f.name) {
				t.Errorf("%s: the service has %#x", f.name, entry.Mask)
			}
			if isService && entry.Mask&^modify != 0 {
				t.Errorf("%s: the service has %#x", f.name, entry.Mask)
			}
		}
	}
}

func TestMultiString(t *testing.T) {
	if got := string(utf16.Decode(multiString("a", "bc"))); got != "a\x00bc\x00\x00" {
		t.Errorf("%q", got)
	}
}
