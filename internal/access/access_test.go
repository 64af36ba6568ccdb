package access

import "testing"

// Windows documents the SID of one service.
func TestServiceSID(t *testing.T) {
	const want = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
	if got := ServiceSID("TrustedInstaller"); got != want {
		t.Errorf("TrustedInstaller is %s, not %s", got, want)
	}
	if ServiceSID("tunneld") != ServiceSID("TUNNELD") {
		t.Error("case counts in the name of a service")
	}
}
