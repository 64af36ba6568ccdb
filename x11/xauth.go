package x11

import (
	"fmt"
	"slices"
	"strings"
)

// XauthCommand has the xauth of a server read what to do from its input: in a
// command line every account there would see the cookie.
const XauthCommand = "xauth -q -"

// XauthAdd is input that gives programs on that machine the cookie for display
// number of its own, in place of an earlier one, and lists the entry. An entry
// "unix" is what Xlib and XCB look up for every name of the machine itself, such
// as localhost:7 and 127.0.0.1:7 (XauGetBestAuthByAddr: an address of loopback
// counts as the family local).
func XauthAdd(number int, c Cookie) string {
	return fmt.Sprintf("add unix:%d . %s\nlist unix:%[1]d\n", number, c.Hex())
}

// XauthRemove is input that takes the entry back.
func XauthRemove(number int) string { return fmt.Sprintf("remove unix:%d\n", number) }

// XauthLists reports whether xauth listed an entry with the cookie.
func XauthLists(output string, c Cookie) bool {
	return !c.IsZero() && slices.Contains(strings.Fields(strings.ToLower(output)), c.Hex())
}
