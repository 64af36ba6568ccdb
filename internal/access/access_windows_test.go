package access

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

// Lists as Windows and administrators write them.
func TestStrangers(t *testing.T) {
	service := ServiceSID(ServiceName)
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	for list, want := range map[string]string{
		"O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FRFX;;;" + service + ")": "",
		"O:SYD:(A;;FA;;;" + service + ")(A;OICIIO;FA;;;CO)(A;;FR;;;BU)":          "",
		"O:" + service + "D:(A;;FA;;;" + me.User.Sid.String() + ")":              "",
		"O:BAD:(A;OICI;FA;;;BA)(A;OICIIO;FA;;;BU)":                               "", // for what is in it
		"O:BAD:(D;;FA;;;BU)(A;;FA;;;BA)":                                         "",
		"O:BAD:(A;;FA;;;BA)(A;;FR;;;WD)":                                         "",
		"O:BAD:(A;;FA;;;BA)(A;;0x2;;;WD)":                                        "S-1-1-0",
		"O:BAD:(A;;FA;;;BA)(A;;WD;;;BU)":                                         "S-1-5-32-545",
		"O:BAD:(A;;GW;;;AU)":                                                     "S-1-5-11",
		"O:S-1-5-21-1-2-3-4D:(A;;FA;;;BA)":                                       "S-1-5-21-1-2-3-4",
		"O:BAD:(A;;FA;;;" + ServiceSID("Another") + ")":                          ServiceSID("Another"),
		fmt.Sprintf("O:BAD:(A;;FA;;;BA)(A;;SD;;;%s)", "S-1-5-21-1-2-3-4"):        "S-1-5-21-1-2-3-4",
		fmt.Sprintf("O:BAD:(A;;FA;;;BA)(A;;0x100;;;%s)", "S-1-5-21-1-2-3-4"):     "", // attributes
		fmt.Sprintf("O:BAD:(A;;FA;;;BA)(A;;0x40;;;%s)", "S-1-5-21-1-2-3-4"):      "S-1-5-21-1-2-3-4",
	} {
		sd, err := windows.SecurityDescriptorFromString(list)
		if err != nil {
			t.Errorf("%s: %v", list, err)
			continue
		}
		got, err := strangerIn(sd)
		if err != nil {
			t.Errorf("%s: %v", list, err)
		}
		if sid, err := windows.StringToSid(want); want != "" && err == nil {
			want = nameOf(sid)
		}
		if got != want {
			t.Errorf("%s: %q, not %q", list, got, want)
		}
	}
}

// An owner is trusted or not, whatever the list allows.
func TestStrangeOwner(t *testing.T) {
	for list, want := range map[string]string{
		"O:BAD:(A;;FA;;;WD)":                             "",
		"O:SYD:(A;;FA;;;BU)":                             "",
		"O:" + ServiceSID(ServiceName) + "D:":            "",
		"O:S-1-5-21-1-2-3-4D:P(A;;FA;;;BA)":              "S-1-5-21-1-2-3-4",
		"O:" + ServiceSID("Another") + "D:P(A;;FA;;;BA)": ServiceSID("Another"),
	} {
		sd, err := windows.SecurityDescriptorFromString(list)
		if err != nil {
			t.Errorf("%s: %v", list, err)
			continue
		}
		if got, err := strangeOwner(sd); got != want || err != nil {
			t.Errorf("%s: %q %v, not %q", list, got, err, want)
		}
	}
	if who, err := StrangeOwner(t.TempDir()); who != "" || err != nil {
		t.Errorf("this account's own: %q %v", who, err)
	}
}

func TestNoListIsEveryone(t *testing.T) {
	sd, err := windows.NewSecurityDescriptor()
	if err != nil {
		t.Fatal(err)
	}
	administrators, err := windows.CreateWellKnownSid(windows.WinBuiltinAdministratorsSid)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sd.SetOwner(administrators, false), sd.SetDACL(nil, true, false)); err != nil {
		t.Fatal(err)
	}
	if got, _ := strangerIn(sd); got != "everyone" {
		t.Errorf("%q", got)
	}
}

// This process is no service, and trusts itself.
func TestMe(t *testing.T) {
	me, err := Me()
	if err != nil {
		t.Fatal(err)
	}
	if trusted, err := IsTrusted(me); err != nil || !trusted || strings.HasPrefix(me.String(), "S-1-5-80-") {
		t.Errorf("%s: %v %v", me, trusted, err)
	}
	if who, err := Stranger(t.TempDir()); err != nil {
		t.Errorf("%q %v", who, err)
	}
}
