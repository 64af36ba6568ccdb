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

// A member of the group may ask, and make no pipe of the same name.
func TestPipeAccessOfGroup(t *testing.T) {
	const group = "Users"
	if _, _, _, err := windows.LookupSID("", group); err != nil {
		t.Skip(err)
	}
	list, err := pipeAccess(group)
	if err != nil {
		t.Fatal(err)
	}
	sd, err := windows.SecurityDescriptorFromString(list)
	if err != nil {
		t.Fatal(list, err)
	}
	dacl, _, err := sd.DACL()
	if err != nil || dacl.AceCount != 4 {
		t.Fatalf("%s: %v", list, err)
	}
	var entry *windows.ACCESS_ALLOWED_ACE
	if err := windows.GetAce(dacl, 3, &entry); err != nil {
		t.Fatal(err)
	}
	const makePipe = 0x4 // FILE_CREATE_PIPE_INSTANCE
	const change = windows.WRITE_DAC | windows.WRITE_OWNER | windows.DELETE
	if mask := entry.Mask; mask&(windows.FILE_READ_DATA|windows.FILE_WRITE_DATA) != windows.FILE_READ_DATA|windows.FILE_WRITE_DATA || mask&(makePipe|change) != 0 {
		t.Errorf("%s: the group has %#x", list, mask)
	}
}
