package control

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"

	"tunneld/internal/access"
)

// The pipe is for those whom the machine trusts; a group that does not exist adds
// nobody.
func TestPipeAccess(t *testing.T) {
	list, err := pipeAccess("no such group")
	if err != nil {
		t.Fatal(err)
	}
	sd, err := windows.SecurityDescriptorFromString(list)
	if err != nil {
		t.Fatal(list, err)
	}
	me, err := access.Me()
	if err != nil {
		t.Fatal(err)
	}
	if owner, _, err := sd.Owner(); err != nil || !owner.Equals(me) {
		t.Errorf("%s: it belongs to %s, not %s: %v", list, owner, me, err)
	}
	dacl, _, err := sd.DACL()
	if err != nil || dacl.AceCount != 3 {
		t.Fatalf("%s: %v", list, err)
	}
	for i := range uint32(dacl.AceCount) {
		var entry *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(dacl, i, &entry); err != nil {
			t.Fatal(err)
		}
		if trusted, err := access.IsTrusted((*windows.SID)(unsafe.Pointer(&entry.SidStart))); err != nil || !trusted {
			t.Errorf("%s: entry %d is for a stranger: %v", list, i, err)
		}
	}
}
